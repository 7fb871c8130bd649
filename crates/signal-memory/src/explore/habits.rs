use crate::rng::Rng;

/// What one world is like, in percent. Drawn by seed, so that some worlds are all hibernation, some
/// have no losses, and so on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) slow: u64,
    pub(super) stall: u64,
    pub(super) vanish: u64,
    pub(super) leave: u64,
    pub(super) hibernate: u64,
    pub(super) jump: u64,
    pub(super) refuse: u64,
    pub(super) restart: u64,
    pub(super) expire: u64,
    pub(super) nonsense: u64,
    pub(super) flood: u64,
}

impl Habits {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut often = |most: u64| {
            if rng.percent(30) {
                0
            } else {
                rng.within(1..=most)
            }
        };
        Self {
            slow: often(40),
            stall: often(10),
            vanish: often(5),
            leave: often(8),
            hibernate: often(25),
            jump: often(6),
            refuse: often(2),
            restart: often(2),
            expire: often(20),
            nonsense: often(15),
            flood: often(20),
        }
    }
}
