use crate::publish::Body;

/// The most digits a number of subscribers can have.
const DIGITS_MAX: usize = usize::MAX.ilog10() as usize + 1;

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
        each(decimal(self.clients, &mut [0; DIGITS_MAX]));
        each("}");
    }
}

/// Writes a number as JSON does.
fn decimal(mut number: usize, digits: &mut [u8; DIGITS_MAX]) -> &str {
    let count = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let written = digits.get_mut(..count).unwrap_or_default();
    for digit in written.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    // Digits are ASCII.
    core::str::from_utf8(written).unwrap_or_default()
}
