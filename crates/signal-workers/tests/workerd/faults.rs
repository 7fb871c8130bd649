//! What goes wrong inside costs its event or its peer, and nothing else.

use crate::client::Client;
use crate::workerd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_whose_send_fails_does_not_affect_the_others() {
    let Some(server) = workerd("fault-send", &[]).await else {
        return;
    };
    let mut clients = three_in_a_garden(&server).await;
    clients[2].publish("garden", "handle:send-fails").await;
    for client in &mut clients[1..] {
        assert_eq!(
            client.receive_publish("garden", "handle:send-fails").await,
            3
        );
    }
    clients[2].publish("garden", "after").await;
    for client in &mut clients {
        assert_eq!(client.receive_publish("garden", "after").await, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_in_the_middle_of_a_publish_loses_only_that_publish() {
    let Some(server) = workerd("fault-throw", &[]).await else {
        return;
    };
    let mut clients = three_in_a_garden(&server).await;

    clients[0].publish("garden", "handle:throw").await;

    // The first receiver has it; at the second the event ended.
    assert_eq!(
        clients[0].receive_publish("garden", "handle:throw").await,
        3
    );
    for round in ["one", "two"] {
        clients[1].publish("garden", round).await;
        for client in &mut clients {
            assert_eq!(
                client.receive_publish("garden", round).await,
                3,
                "{round}: {}",
                server.log()
            );
        }
    }
    assert_eq!(
        server.wakes(),
        1,
        "the state was built anew: {}",
        server.log()
    );
    assert!(
        server
            .log()
            .contains(r#"{"event":"wake","peers":3,"lost":0}"#),
        "{}",
        server.log()
    );
    // The budgets moved on as if nothing had happened, and the count is right when one leaves.
    assert_eq!(clients[2].close(Some(1000)).await, 1000);
    clients[0].publish("garden", "three").await;
    assert_eq!(clients[1].receive_publish("garden", "three").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_read_closes_that_one_peer_with_a_reason() {
    let Some(server) = workerd("fault-state", &[]).await else {
        return;
    };
    let cases = [
        (
            "handle:version",
            1012,
            "this relay was updated, please reconnect",
        ),
        (
            "handle:foreign",
            1012,
            "this relay was updated, please reconnect",
        ),
        (
            "handle:damage",
            1011,
            "this relay lost the state of your connection, please reconnect",
        ),
    ];
    let mut bob = Client::connect(&server, "/").await;
    bob.subscribe("others").await;
    for (handle, code, reason) in cases {
        let mut ann = Client::connect(&server, "/").await;
        ann.subscribe("garden").await;
        bob.publish("garden", handle).await;
        assert_eq!(ann.receive_publish("garden", handle).await, 1);

        server.evict("global").await.unwrap();
        bob.publish("others", "still here").await;

        assert_eq!(ann.closed().await, (code, reason.to_owned()), "{handle}");
        assert_eq!(
            bob.receive_publish("others", "still here").await,
            1,
            "{handle}"
        );
    }
    bob.receive_nothing().await;
}

async fn three_in_a_garden(server: &crate::server::Workerd) -> [Client; 3] {
    let mut clients = [
        Client::connect(server, "/").await,
        Client::connect(server, "/").await,
        Client::connect(server, "/").await,
    ];
    for client in &mut clients {
        client.subscribe("garden").await;
    }
    clients
}
