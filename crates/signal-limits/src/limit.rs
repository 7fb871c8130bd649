use alloc::format;
use alloc::string::{String, ToString};
use core::ops::RangeInclusive;
use core::time::Duration;

/// One limit of an `Owner`: what there is to know about it, and the way to its value.
///
/// A program declares all of its own with [`limits!`](crate::limits). Flags, variables, keys of a
/// file, reports, tables in documents and range checks are loops over the table, so that none of
/// them can forget a limit.
///
/// ```
/// # signal_limits::limits! {
/// #     /// Those of an example.
/// #     pub struct Limits {}
/// #     /// All of them.
/// #     pub const ALL = [
/// #         depth_max: u8 { default: 128, unit: Count, range: 1..=128, scope: Peer,
/// #             what: "Deepest nesting", past: "ignored", why: "an example" },
/// #     ];
/// # }
/// let mut limits = Limits::default();
/// for limit in Limits::ALL {
///     let value = (limit.get)(&limits);
///     println!("{} = {}: {}", limit.name, limit.unit.show(value), limit.what);
/// }
/// let depth = Limits::ALL.iter().find(|limit| limit.name == "depth_max").expect("a limit");
/// (depth.set)(&mut limits, 16);
/// assert_eq!(limits.depth_max, 16);
/// ```
#[derive(Debug)]
pub struct Limit<Owner: 'static> {
    /// The name of the field, and so of the setting, wherever it is written.
    pub name: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// The values allowed.
    pub range: RangeInclusive<u64>,
    /// Whether zero is allowed beside `range`: it switches off what the limit governs.
    pub zero: bool,
    /// The value when nothing is said.
    pub default: fn() -> u64,
    /// What the default follows from, where it is not the same everywhere.
    pub default_from: Option<&'static str>,
    /// What is counted together.
    pub scope: Scope,
    /// What it limits, as a phrase for help and tables.
    pub what: &'static str,
    /// What happens past it.
    pub past: &'static str,
    /// Where the default comes from.
    pub why: &'static str,
    /// Reads the value.
    pub get: fn(&Owner) -> u64,
    /// Writes the value; one that the field cannot hold becomes the nearest that it can.
    pub set: fn(&mut Owner, u64),
}

impl<Owner> Limit<Owner> {
    /// Checks that the value is in its range.
    ///
    /// # Errors
    ///
    /// The value and the range, if it is not.
    pub fn check(&self, owner: &Owner) -> Result<(), LimitError> {
        self.check_in(self.range.clone(), None, owner)
    }

    /// Checks that the value is in a narrower range, which may follow from another limit.
    ///
    /// # Errors
    ///
    /// The value, that range and the other limit, if it is not.
    pub fn check_in(
        &self,
        range: RangeInclusive<u64>,
        because_of: Option<&'static str>,
        owner: &Owner,
    ) -> Result<(), LimitError> {
        let Self {
            name, unit, zero, ..
        } = *self;
        let value = (self.get)(owner);
        if range.contains(&value) || (zero && value == 0) {
            return Ok(());
        }
        Err(LimitError {
            name,
            value,
            range,
            zero,
            unit,
            because_of,
        })
    }
}

/// What the number of a [`Limit`] counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unit {
    /// Things: messages, topics, peers.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Seconds, in whole numbers only.
    Seconds,
    /// No (0) or yes (1).
    Switch,
}

impl Unit {
    /// The number as a person writes it: `64KiB`, `30s`, `1500ms`, `true`.
    pub fn show(self, number: u64) -> String {
        let units: &[(u64, &str)] = match self {
            Self::Count => &[],
            Self::Bytes => &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
            Self::Millis => &[(3_600_000, "h"), (1_000, "s"), (1, "ms")],
            Self::Seconds => &[(1, "s")],
            Self::Switch => return (number != 0).to_string(),
        };
        // The largest unit in which the number is whole.
        let is_whole = |size: u64| number >= size && number % size == 0;
        match units.iter().find(|(size, _)| is_whole(*size)) {
            Some((size, unit)) => format!("{}{unit}", number / size),
            None => number.to_string(),
        }
    }

    /// The values of a range as a phrase: `from 1 to 128`, or `0 or from 100ms to 24h` where zero
    /// is allowed too.
    pub fn show_range(self, range: &RangeInclusive<u64>, zero: bool) -> String {
        let zero = if zero { "0 or " } else { "" };
        let (min, max) = (self.show(*range.start()), self.show(*range.end()));
        format!("{zero}from {min} to {max}")
    }
}

/// What a [`Limit`] counts together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// One peer on its own connection, which can find the limit by trying; so `GET /limits` shows
    /// it.
    Peer,
    /// All connections of one address.
    Address,
    /// The whole relay.
    Relay,
}

/// A type that the field of a limit may have.
pub trait LimitValue {
    /// The value in the limit's unit.
    fn into_number(self) -> u64;
    /// The value nearest to a number in the limit's unit.
    fn from_number(number: u64) -> Self;
}

macro_rules! limit_values {
    ($($int:ty)*) => {$(
        impl LimitValue for $int {
            fn into_number(self) -> u64 {
                u64::try_from(self).unwrap_or(u64::MAX)
            }

            fn from_number(number: u64) -> Self {
                Self::try_from(number).unwrap_or(Self::MAX)
            }
        }
    )*};
}

limit_values!(u8 u16 u32 u64 usize);

impl LimitValue for bool {
    fn into_number(self) -> u64 {
        self.into()
    }

    fn from_number(number: u64) -> Self {
        number != 0
    }
}

/// In milliseconds.
impl LimitValue for Duration {
    fn into_number(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn from_number(number: u64) -> Self {
        Self::from_millis(number)
    }
}

/// A limit that is out of its range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{name} is {}, but must be {}{}",
    .unit.show(*.value),
    .unit.show_range(.range, *.zero),
    .because_of.map(|other| format!(" because of {other}")).unwrap_or_default(),
)]
#[non_exhaustive]
pub struct LimitError {
    /// The limit, by the name of its field.
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// The values allowed.
    pub range: RangeInclusive<u64>,
    /// Whether zero is allowed beside them.
    pub zero: bool,
    /// What the numbers count.
    pub unit: Unit,
    /// The other limit that the range follows from, if it does.
    pub because_of: Option<&'static str>,
}

/// Declares a struct with its limits, from one row for each.
///
/// A row is the field, its documentation, its default and its [`Limit`](crate::Limit) in the
/// table: **to add a limit, add a row.** Everything that reads the table then has it. (The tables
/// in the READMEs of signal's repository are compared with it by a test of `signal-relay`, which
/// writes them with `UPDATE_TABLES=1 cargo test -p signal-relay --test settings`.) What is not a
/// limit stands in the braces of the struct, each field with its default.
///
/// ```
/// use std::time::Duration;
///
/// signal_limits::limits! {
///     /// The settings of an adapter.
///     #[derive(Clone, Debug)]
///     pub struct Settings {
///         /// The name of the relay.
///         pub name: String = "relay".to_owned(),
///     }
///
///     /// The limits of the adapter itself.
///     pub const LIMITS = [
///         peers_max: usize { default: 10_000, unit: Count, range: 1..=1_000_000, scope: Relay,
///             what: "Peers at once",
///             past: "HTTP 503",
///             why: "a small machine serves as many" },
///         idle_timeout: Duration { default: 60_000, unit: Millis, range: 1_000..=3_600_000, zero: true, scope: Peer,
///             what: "How long a peer may be silent; zero is forever",
///             past: "closed with 4408",
///             why: "two pings of a stock client" },
///     ];
/// }
///
/// let mut settings = Settings::default();
/// assert_eq!(settings.idle_timeout, Duration::from_secs(60));
/// settings.peers_max = 0;
/// let error = Settings::LIMITS.iter().find_map(|limit| limit.check(&settings).err());
/// assert_eq!(error.unwrap().to_string(), "peers_max is 0, but must be from 1 to 1000000");
/// ```
///
/// In the order of the example, a row may also have `default_from` behind its default, in words,
/// for one that depends on the machine (`from the limit on open files`), and attributes and
/// further documentation above it.
#[macro_export]
macro_rules! limits {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Owner:ident {
            $($(#[$plain_meta:meta])* $plain_vis:vis $plain:ident: $Plain:ty = $plain_default:expr,)*
        }

        $(#[$table_meta:meta])*
        $table_vis:vis const $TABLE:ident = [
            $($(#[$row_meta:meta])* $name:ident: $Value:ty {
                default: $default:expr, $(default_from: $default_from:literal,)?
                unit: $unit:ident, range: $range:expr, $(zero: $zero:literal,)? scope: $scope:ident,
                what: $what:literal,
                past: $past:literal,
                why: $why:literal $(,)?
            },)*
        ];
    ) => {
        $(#[$meta])*
        $vis struct $Owner {
            $($(#[$plain_meta])* $plain_vis $plain: $Plain,)*
            $(
                #[doc = $what]
                #[doc = concat!(
                    "\n\nDefault ", $crate::limits!(@default $default, $unit $(, $default_from)?),
                    ": ", $why, ". Past it: ", $past, ".\n",
                )]
                $(#[$row_meta])*
                $table_vis $name: $Value,
            )*
        }

        impl ::core::default::Default for $Owner {
            fn default() -> Self {
                Self {
                    $($plain: $plain_default,)*
                    $($name: $crate::LimitValue::from_number($default),)*
                }
            }
        }

        impl $Owner {
            $(#[$table_meta])*
            $table_vis const $TABLE: &'static [$crate::Limit<Self>] = &[$($crate::Limit {
                name: stringify!($name),
                unit: $crate::Unit::$unit,
                range: $range,
                zero: false $(|| $zero)?,
                default: || $default,
                default_from: $crate::limits!(@default_from $($default_from)?),
                scope: $crate::Scope::$scope,
                what: $what,
                past: $past,
                why: $why,
                get: |owner| $crate::LimitValue::into_number(owner.$name),
                set: |owner, number| owner.$name = $crate::LimitValue::from_number(number),
            }),*];
        }
    };
    (@default $default:expr, $unit:ident, $from:literal) => { $from };
    (@default $default:expr, Count) => { concat!("`", stringify!($default), "`") };
    (@default $default:expr, Bytes) => { concat!("`", stringify!($default), "` bytes") };
    (@default $default:expr, Millis) => { concat!("`", stringify!($default), "` ms") };
    (@default $default:expr, Seconds) => { concat!("`", stringify!($default), "` s") };
    (@default $default:expr, Switch) => { concat!("`", stringify!($default), "`") };
    (@default_from) => { ::core::option::Option::None };
    (@default_from $from:literal) => { ::core::option::Option::Some($from) };
}
