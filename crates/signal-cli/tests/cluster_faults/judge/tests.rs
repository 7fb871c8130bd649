use super::*;
use crate::record::{Fault, Sent};

/// Two clients on two nodes, of which the first says something each second for a minute.
fn quiet() -> Record {
    let connection = |client: usize| Connection {
        client,
        room: 0,
        node: client,
        opened: seconds(0),
        closed: None,
        sent: Vec::new(),
        heard: Vec::new(),
    };
    let mut record = Record {
        connections: vec![connection(0), connection(1)],
        ..Record::default()
    };
    for number in 1..=60 {
        let at = seconds(number);
        record.connections[0].sent.push(Sent { number, at });
        for connection in &mut record.connections {
            let heard = Heard {
                from: 0,
                number,
                clients: 2,
                at,
            };
            connection.heard.push(heard);
        }
    }
    record
}

/// From 30 s to 40 s.
fn fault(apart: Apart, changes: &[(Time, Time)]) -> Fault {
    Fault {
        name: "fault",
        from: seconds(30),
        until: seconds(40),
        apart,
        node: Some(2),
        changes: changes.to_vec(),
    }
}

fn crash() -> Fault {
    fault(Apart::Nobody, &[(seconds(30), seconds(30))])
}

fn wrong(record: &Record) -> Vec<String> {
    judge(record).wrong
}

#[track_caller]
fn is_wrong(record: &Record, word: &str) {
    let wrong = wrong(record);
    assert!(wrong.len() == 1 && wrong[0].contains(word), "{wrong:?}");
}

#[test]
fn a_record_in_which_all_came_is_right() {
    assert_eq!(wrong(&quiet()), [""; 0]);
}

#[test]
fn a_copy_is_found() {
    let mut record = quiet();
    record.faults.push(crash());
    let copy = record.connections[1].heard[34];
    record.connections[1].heard.insert(36, copy);
    is_wrong(&record, "twice: number 35");
}

#[test]
fn another_order_is_found_unless_nodes_come_and_go() {
    let mut record = quiet();
    record.connections[1].heard.swap(34, 35);
    is_wrong(&record, "after 36: number 35");
    record.faults.push(crash());
    assert_eq!(wrong(&record), [""; 0]);
    record.connections[1].heard.swap(50, 51);
    is_wrong(&record, "after 52: number 51");
}

#[test]
fn a_loss_is_found_unless_it_is_allowed() {
    let mut record = quiet();
    record.connections[1].heard.remove(34);
    is_wrong(&record, "lost: number 35");
    record.faults.push(crash());
    is_wrong(&record, "lost: number 35");
    record.faults.push(fault(Apart::Node(2), &[]));
    is_wrong(&record, "lost: number 35");
    record.faults.push(fault(Apart::Node(1), &[]));
    assert_eq!(wrong(&record), [""; 0]);
}

#[test]
fn on_one_node_no_loss_is_allowed() {
    let mut record = quiet();
    record.faults.push(fault(Apart::All, &[]));
    record.connections[1].heard.remove(34);
    assert_eq!(wrong(&record), [""; 0]);
    record.connections[1].node = 0;
    is_wrong(&record, "lost: number 35");
}

#[test]
fn what_was_sent_as_the_connection_ended_may_be_lost() {
    let mut record = quiet();
    record.connections[0].closed = Some(seconds(61));
    record.connections[1].heard.truncate(56);
    assert_eq!(wrong(&record), [""; 0]);
    record.connections[1].heard.truncate(54);
    is_wrong(&record, "lost: number 55");
}

#[test]
fn a_wrong_count_is_found_but_not_shortly_after_a_crash() {
    let mut record = quiet();
    record.faults.push(crash());
    record.connections[1].heard[36].clients = 3;
    assert_eq!(wrong(&record), [""; 0]);
    record.connections[1].heard[38].clients = 3;
    is_wrong(&record, "3 clients in room 0: number 39");
}

#[test]
fn a_count_follows_those_who_come_and_go() {
    let mut record = quiet();
    let mut third = record.connections[1].clone();
    third.client = 2;
    third.opened = seconds(20);
    third.heard.clear();
    third.closed = Some(seconds(30));
    record.connections.push(third);
    let wrong = wrong(&record);
    assert_eq!(
        wrong
            .iter()
            .filter(|wrong| wrong.contains("clients"))
            .count(),
        2 * 7
    );
}

#[test]
fn a_local_room_is_left_alone() {
    let mut record = quiet();
    record.local.insert(0);
    record.faults.push(crash());
    record.connections[1].node = 0;
    record.connections[1].closed = Some(seconds(59));
    record.connections[1].heard.truncate(58);
    is_wrong(&record, "client 1 of a local room was closed");
    record.faults[0].node = Some(0);
    record.faults[0].until = seconds(58);
    assert_eq!(wrong(&record), [""; 0]);
}

#[test]
fn pairs_meet_and_in_time() {
    let mut record = quiet();
    let opened = seconds(25);
    let met = Some(seconds(43));
    record.pairs.push(Pair { opened, met });
    is_wrong(&record, "met only at");
    record.faults.push(crash());
    assert_eq!(wrong(&record), [""; 0]);
    record.pairs.push(Pair { opened, met: None });
    is_wrong(&record, "never met");
}
