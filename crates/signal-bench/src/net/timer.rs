//! Waking at a time that is exact to some microseconds: the timeout of epoll is whole milliseconds.

#[cfg(target_os = "linux")]
mod exact {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A timer of the kernel, which makes the poll return.
    #[derive(Debug)]
    pub(crate) struct Timer {
        timer: OwnedFd,
        /// What it is set to, in nanoseconds since the run began.
        wake: u64,
    }

    impl Timer {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let fd = timer.as_raw_fd();
            registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            Ok(Self { timer, wake: 0 })
        }

        /// Sets it to a time, if that is soon. Returns how long the poll may wait besides.
        pub(crate) fn set(&mut self, wake: u64, now: u64, most: Duration) -> Duration {
            let after = Duration::from_nanos(wake.saturating_sub(now));
            if after.is_zero() || after >= most {
                return after.min(most);
            }
            // Often something else woke the loop since, and another system call would change
            // nothing.
            if wake == self.wake {
                return most;
            }
            self.wake = wake;
            let spec = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: after.as_secs() as _,
                    tv_nsec: after.subsec_nanos().into(),
                },
            };
            match timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec) {
                Ok(_) => most,
                // Less exact, but never missed.
                Err(_) => after,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod exact {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// The timeout of the poll.
    #[derive(Debug)]
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn set(&mut self, wake: u64, now: u64, most: Duration) -> Duration {
            Duration::from_nanos(wake.saturating_sub(now)).min(most)
        }
    }
}

pub(crate) use exact::Timer;
