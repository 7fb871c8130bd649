/// Which node each connection leads to: round robin, from one member of a room to the next and from
/// the first member of a room to that of the next room. The seed says where that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    nodes: usize,
    first: usize,
}

impl Placement {
    pub(crate) fn new(nodes: usize, seed: u64) -> Self {
        let first = seed % nodes.max(1) as u64;
        Self {
            nodes: nodes.max(1),
            first: first as usize,
        }
    }

    /// How many nodes there are.
    pub(crate) fn nodes(self) -> usize {
        self.nodes
    }

    /// The node of a member of a room, which is counted among those of all threads.
    pub(crate) fn node(self, room: usize, member: usize) -> usize {
        (self.first + room + member) % self.nodes
    }

    /// Whether two members of a room are on different nodes.
    #[inline]
    pub(crate) fn are_apart(self, member: usize, other: usize) -> bool {
        // Most services have one node, and this is asked of each delivery.
        self.nodes > 1 && member % self.nodes != other % self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_first_members_take_turns_on_the_nodes() {
        let placement = Placement::new(3, 1);
        let of_room = |room| [0, 1, 2, 3].map(|member| placement.node(room, member));
        assert_eq!(of_room(0), [1, 2, 0, 1]);
        assert_eq!(of_room(1), [2, 0, 1, 2]);
        assert_eq!(of_room(1), Placement::new(3, 2).of_first_room());
        assert!(placement.are_apart(0, 1) && !placement.are_apart(0, 3));
        assert!(!Placement::new(1, 7).are_apart(0, 1));
    }

    impl Placement {
        fn of_first_room(self) -> [usize; 4] {
            [0, 1, 2, 3].map(|member| self.node(0, member))
        }
    }
}
