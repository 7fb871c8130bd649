//! The time and chance of the runtime.

use signal_core::Instant;
use worker::Date;
use worker::js_sys;

/// The time, since 1970, so that it means the same after a sleep.
pub(crate) fn now() -> Instant {
    Instant::from_millis(Date::now().as_millis())
}

/// A random number, to spread clients that would come back together.
pub(crate) fn random() -> u64 {
    (js_sys::Math::random() * f64::from(u32::MAX)) as u64
}
