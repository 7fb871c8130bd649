use crate::error::BenchError;
use crate::load::driver::{Driver, Step, share};
use crate::load::flows::Flows;
use crate::load::marker::{Marker, Search};
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
#[derive(Debug)]
pub(crate) struct Join {
    members: usize,
    first_room: usize,
    topics: Topics,
    announce: Template,
    answers: Vec<Template>,
    flows: Flows,
    search: Search,
    rooms: Vec<Room>,
    /// Rooms in which all has arrived.
    calm: Vec<usize>,
    has_begun: bool,
    sent_before: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Room {
    present: usize,
    /// How often it was full.
    rounds: usize,
    /// The newcomer's announcement.
    announced: Option<Marker>,
    /// How many messages are on their way.
    open: usize,
    random: Random,
}

impl Join {
    pub(crate) fn new(
        plan: &Plan,
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
            announced: None,
            open: 0,
            random: Random::new(plan.seed ^ (room as u64) << 32),
        });
        Ok(Self {
            members: plan.members,
            first_room: share.start,
            announce: Template::new(&topics, mask, ANNOUNCE)?,
            answers,
            flows: Flows::new(share.len(), plan.members, plan.members),
            search: Search::new(),
            rooms: rooms.collect(),
            calm: Vec::new(),
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
        self.rooms[room].present += 1;
        let id = room * self.members + newcomer;
        let topic = self.topic(room);
        self.flows.join(id);
        step.links.send_text(id, &self.topics.subscribe(topic));
        let marker = self.flows.publish(room, newcomer, step.now, newcomer + 1);
        self.announce.write(step.links.out(id), topic, marker);
        step.tally.publishes += 1;
        self.rooms[room].announced = Some(marker);
        self.rooms[room].open += 1;
    }

    /// Everybody leaves a full room.
    fn leave(&mut self, step: &mut Step<'_>, room: usize) {
        let request = self.topics.unsubscribe(self.topic(room));
        for member in 0..self.members {
            step.links.send_text(room * self.members + member, &request);
        }
        self.rooms[room].present = 0;
        self.rooms[room].rounds += 1;
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

    /// They wait outside.
    fn opened(&mut self, _: &mut Step<'_>, _: usize) {}

    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        let Some(marker) = self.search.find(payload) else {
            self.flows.faults.foreign += 1;
            return;
        };
        let Some(delivery) = self.flows.deliver(id, marker) else {
            return;
        };
        step.tally.delivered(delivery.sent_at, step.now);
        let room = delivery.room;
        let member = id % self.members;
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
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        if !self.has_begun {
            self.has_begun = true;
            self.calm = (0..self.rooms.len()).collect();
        }
        let mut calm = std::mem::take(&mut self.calm);
        for room in calm.drain(..) {
            self.admit(step, room);
        }
        self.calm = calm;
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
        self.flows.is_empty()
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
