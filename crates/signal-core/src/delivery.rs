use crate::publish::Body;

/// A publish on its way to the subscribers of its topic: what they get of it, not yet written
/// anywhere.
///
/// Names and values are those of the publisher, unchanged; `clients` is put last. The length is
/// known before anything is written, so a host puts the text straight into the buffer that it
/// sends, behind a header that states the length.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'p> {
    body: &'p Body<'p>,
    clients: usize,
    len: usize,
}

impl<'p> Delivery<'p> {
    pub(crate) fn new(body: &'p Body<'p>, clients: usize) -> Self {
        let mut len = 0;
        let delivery = Self { body, clients, len };
        delivery.for_each_slice(|slice| len += slice.len());
        Self { len, ..delivery }
    }

    /// How many bytes it takes.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Hands out the text from its beginning to its end, slice by slice.
    pub fn for_each_slice(&self, mut each: impl FnMut(&str)) {
        each("{");
        for members in self.body.kept() {
            each(members);
            each(",");
        }
        each("\"clients\":");
        each_digit(self.clients, &mut each);
        each("}");
    }
}

/// Hands out a number as JSON writes it.
fn each_digit(number: usize, each: &mut impl FnMut(&str)) {
    if number >= 10 {
        each_digit(number / 10, each);
    }
    let digit = number % 10;
    each("0123456789".get(digit..=digit).unwrap_or_default());
}
