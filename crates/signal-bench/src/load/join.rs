use crate::error::BenchError;
use crate::explain;
use crate::load::driver::{Driver, Step, share};
use crate::load::flows::Flows;
use crate::load::marker::{Marker, Search};
use crate::load::placement::Placement;
use crate::load::random::Random;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::load::template::{ROOMS_MAX, Template, Topics};
use crate::plan::Plan;

/// The announcement of a stock client is about that long.
const ANNOUNCE: usize = 160;
/// How many different sizes the answers have.
const SIZES: usize = 32;
/// How many messages each member sends to a newcomer: a session description and candidates.
const ANSWERS: (usize, usize) = (3, 6);
/// Their sizes in bytes.
const ANSWER_BYTES: (usize, usize) = (500, 3_000);

/// Rooms that fill up, as y-webrtc fills them: each newcomer subscribes and announces itself, and
/// each member that hears of it answers with several messages, which go to everybody. When all of
/// that has arrived, the next one comes. All leave a full room and meet again under another
/// topic.
///
/// With several nodes the second member of a room, which is on another node than the first, speaks
/// before it comes in, until the first has heard it. An announcement that comes before nodes know
/// of each other's members is not heard by all: a cluster promises that one of two newcomers hears
/// the other, not both. From the third on, all nodes with members are known by what was heard.
#[derive(Debug)]
pub(crate) struct Join {
    members: usize,
    first_room: usize,
    topics: Topics,
    placement: Placement,
    announce: Template,
    answers: Vec<Template>,
    flows: Flows,
    search: Search,
    rooms: Vec<Room>,
    /// Rooms in which all has arrived.
    calm: Vec<usize>,
    /// Rooms whose second member speaks before it comes in.
    callers: Vec<Caller>,
    timeout: u64,
    has_begun: bool,
    sent_before: Vec<u32>,
}

/// How often one who was not heard speaks again, in nanoseconds.
const AGAIN_EVERY: u64 = 100_000_000;

/// One who speaks until it is heard.
#[derive(Clone, Copy, Debug)]
struct Caller {
    room: usize,
    began: u64,
    again_at: u64,
}

#[derive(Clone, Debug)]
struct Room {
    present: usize,
    /// How often it was full.
    rounds: usize,
    /// Whether the first member has heard the second, who is on another node.
    is_known: bool,
    /// The newcomer's announcement.
    announced: Option<Marker>,
    /// How many messages are on their way.
    open: usize,
    random: Random,
}

impl Join {
    pub(crate) fn new(
        plan: &Plan,
        placement: Placement,
        thread: usize,
        topics: Topics,
        mask: [u8; 4],
    ) -> Result<Self, BenchError> {
        let share = share(plan.rooms, thread, plan.threads);
        let mut random = Random::new(plan.seed);
        let answers = (0..SIZES).map(|_| {
            let size = random.between(ANSWER_BYTES.0, ANSWER_BYTES.1);
            Template::new(&topics, mask, size)
        });
        let answers = answers.collect::<Result<_, _>>()?;
        let rooms = share.clone().map(|room| Room {
            present: 0,
            rounds: 0,
            is_known: false,
            announced: None,
            open: 0,
            random: Random::new(plan.seed ^ (room as u64) << 32),
        });
        Ok(Self {
            members: plan.members,
            first_room: share.start,
            placement,
            announce: Template::new(&topics, mask, ANNOUNCE)?,
            answers,
            flows: Flows::new(share.len(), plan.members, plan.members),
            search: Search::new(),
            rooms: rooms.collect(),
            calm: Vec::new(),
            callers: Vec::new(),
            timeout: plan.timeout.as_nanos() as u64,
            has_begun: false,
            topics,
            sent_before: vec![0; share.len() * plan.members],
        })
    }

    /// The number of a room's topic, another one each time it was full.
    fn topic(&self, room: usize) -> usize {
        let rounds = self.rooms[room].rounds % 1_000;
        self.first_room + room + rounds * ROOMS_MAX
    }

    /// Lets the next member in.
    fn admit(&mut self, step: &mut Step<'_>, room: usize) {
        if self.rooms[room].present == self.members {
            self.leave(step, room);
        }
        let newcomer = self.rooms[room].present;
        let is_first_elsewhere = newcomer == 1 && self.placement.are_apart(0, 1);
        if is_first_elsewhere && !self.rooms[room].is_known {
            let (began, again_at) = (step.now, step.now);
            self.callers.push(Caller {
                room,
                began,
                again_at,
            });
            return;
        }
        self.rooms[room].present += 1;
        let id = room * self.members + newcomer;
        let topic = self.topic(room);
        self.flows.join(id);
        if is_first_elsewhere {
            // The first one's announcement may still be on its way between the nodes.
            let before = self.rooms[room].announced;
            before
                .into_iter()
                .for_each(|one| self.flows.excuse(id, one));
        }
        step.links.send_text(id, &self.topics.subscribe(topic));
        let marker = self.flows.publish(room, newcomer, step.now, newcomer + 1);
        self.announce.write(step.links.out(id), topic, marker);
        step.tally.publishes += 1;
        self.rooms[room].announced = Some(marker);
        self.rooms[room].open += 1;
    }

    /// Has those speak who were not heard yet.
    fn call(&mut self, step: &mut Step<'_>) -> Result<(), BenchError> {
        for index in 0..self.callers.len() {
            let Caller {
                room,
                began,
                again_at,
            } = self.callers[index];
            let (first, second) = (room * self.members, room * self.members + 1);
            if step.now > began + self.timeout {
                return Err(explain::apart(step.links, second, first, self.timeout));
            }
            if step.now >= again_at {
                self.callers[index].again_at = step.now + AGAIN_EVERY;
                let (topic, marker) = (self.topic(room), Marker::probe(room as u32));
                self.announce.write(step.links.out(second), topic, marker);
            }
        }
        Ok(())
    }

    /// A member has heard one who speaks before it comes in.
    fn heard(&mut self, room: usize) {
        let callers = self.callers.len();
        self.callers.retain(|caller| caller.room != room);
        // Otherwise it is a copy that was on its way.
        if self.callers.len() < callers {
            self.rooms[room].is_known = true;
            self.calm.push(room);
        }
    }

    /// Everybody leaves a full room.
    fn leave(&mut self, step: &mut Step<'_>, room: usize) {
        let request = self.topics.unsubscribe(self.topic(room));
        for member in 0..self.members {
            step.links.send_text(room * self.members + member, &request);
        }
        self.rooms[room].present = 0;
        self.rooms[room].rounds += 1;
        self.rooms[room].is_known = false;
    }

    /// A member has heard of the newcomer.
    fn answer(&mut self, step: &mut Step<'_>, room: usize, member: usize) {
        let topic = self.topic(room);
        let id = room * self.members + member;
        let count = self.rooms[room].random.between(ANSWERS.0, ANSWERS.1);
        for _ in 0..count {
            let state = &mut self.rooms[room];
            let size = state.random.between(0, SIZES - 1);
            let marker = self.flows.publish(room, member, step.now, state.present);
            self.answers[size].write(step.links.out(id), topic, marker);
            state.open += 1;
            step.tally.publishes += 1;
        }
    }

    fn senders(&self) -> impl Iterator<Item = u32> {
        let rooms = 0..self.rooms.len();
        let senders = rooms.flat_map(|room| (0..self.members).map(move |member| (room, member)));
        senders.map(|(room, member)| self.flows.sent(room, member))
    }
}

impl Driver for Join {
    fn connections(&self) -> usize {
        self.rooms.len() * self.members
    }

    fn node(&self, id: usize) -> usize {
        let (room, member) = (id / self.members, id % self.members);
        self.placement.node(self.first_room + room, member)
    }

    /// They wait outside.
    fn opened(&mut self, _: &mut Step<'_>, _: usize) {}

    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        let Some(marker) = self.search.find(payload) else {
            self.flows.faults.foreign += 1;
            return;
        };
        if marker.is_probe() {
            if id / self.members == marker.flow as usize {
                self.heard(id / self.members);
            }
            return;
        }
        let Some(delivery) = self.flows.deliver(id, marker) else {
            return;
        };
        let room = delivery.room;
        let member = id % self.members;
        let has_crossed = self.placement.are_apart(delivery.sender, member);
        step.tally
            .delivered(delivery.sent_at, step.now, has_crossed);
        let is_news = self.rooms[room].announced == Some(marker) && member != delivery.sender;
        if is_news && step.stage < Stage::Drain {
            self.answer(step, room, member);
        }
        if delivery.completes {
            self.rooms[room].open -= 1;
            if self.rooms[room].open == 0 {
                self.calm.push(room);
            }
        }
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage < Stage::Drain {
            if !self.has_begun {
                self.has_begun = true;
                self.calm = (0..self.rooms.len()).collect();
            }
            let mut calm = std::mem::take(&mut self.calm);
            for room in calm.drain(..) {
                self.admit(step, room);
            }
            self.calm = calm;
        }
        self.call(step)?;
        Ok(None)
    }

    fn expire(&mut self, before: u64) {
        if !self.flows.expire(before) {
            return;
        }
        for (room, state) in self.rooms.iter_mut().enumerate() {
            let open = (0..self.members).map(|member| self.flows.open(room, member));
            let open = open.sum();
            if state.open > 0 && open == 0 {
                self.calm.push(room);
            }
            state.open = open;
        }
    }

    fn is_drained(&self) -> bool {
        self.flows.is_empty() && self.callers.is_empty()
    }

    fn settle(&mut self, tally: &mut Tally) {
        let sent: Vec<u32> = self.senders().collect();
        let counts = sent.iter().zip(&self.sent_before);
        let most = counts.map(|(now, before)| now - before).max();
        tally.busiest_sender = most.unwrap_or(0).into();
        self.sent_before = sent;
    }

    fn finish(&mut self, tally: &mut Tally) {
        tally.faults = self.flows.faults;
    }
}
