//! The one kind of lock there is.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A mutex for changes that cannot panic half-way.
///
/// All that is done under one is a change of a map, a list or a few numbers, never a call into what
/// others wrote. So what a thread that panicked has left behind is whole, and the connections of
/// the other threads go on with it.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The lock, if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_one_owner_does_not_keep_the_others_out() {
        let lock = Lock::new(7);
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let _held = lock.lock();
                panic!("a mistake");
            });
            assert!(owner.join().is_err());
        });
        assert_eq!(*lock.lock(), 7);
    }
}
