//! The URL backend against a server whose every move is known.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signal_conformance::{Backend, ConnectError, ConnectOptions, Connection, Event, UrlBackend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn messages_pongs_and_closes_are_reported_as_they_come() {
    let (mut client, mut server) = connected().await;
    server.send(Message::text("{}")).await.expect("sent");
    server
        .send(Message::binary(Bytes::from_static(b"\x01")))
        .await
        .expect("sent");
    server
        .send(Message::Pong(Bytes::from_static(b"hi")))
        .await
        .expect("sent");
    server.close(None).await.expect("closed");
    assert_eq!(client.receive(PATIENCE).await, Event::Text("{}".to_owned()));
    assert_eq!(client.receive(PATIENCE).await, Event::Binary(vec![1]));
    assert_eq!(client.receive(PATIENCE).await, Event::Pong(b"hi".to_vec()));
    let end = Event::Closed {
        code: 1005,
        reason: String::new(),
    };
    drop(server);
    assert_eq!(client.receive(PATIENCE).await, end);
    assert_eq!(client.receive(PATIENCE).await, end, "the end is told again");
}

#[tokio::test]
async fn pings_are_answered_unless_the_client_is_paused() {
    let (mut client, mut server) = connected().await;
    server
        .send(Message::Ping(Bytes::from_static(b"1")))
        .await
        .expect("sent");
    assert_eq!(
        next(&mut server).await,
        Message::Pong(Bytes::from_static(b"1"))
    );
    client.pause().await;
    client.send_text("paused").await;
    assert_eq!(next(&mut server).await, Message::text("paused"));
    server
        .send(Message::Ping(Bytes::from_static(b"2")))
        .await
        .expect("sent");
    client.send_text("still paused").await;
    assert_eq!(next(&mut server).await, Message::text("still paused"));
    client.resume().await;
    assert_eq!(
        next(&mut server).await,
        Message::Pong(Bytes::from_static(b"2"))
    );
}

#[tokio::test]
async fn raw_bytes_go_out_after_what_was_sent_before() {
    let (mut client, mut server) = connected().await;
    client.send_text("first").await;
    client.send_raw(b"\x81\x82\0\0\0\0hi").await;
    client.send_binary(b"last").await;
    assert_eq!(next(&mut server).await, Message::text("first"));
    assert_eq!(next(&mut server).await, Message::text("hi"));
    assert_eq!(
        next(&mut server).await,
        Message::binary(Bytes::from_static(b"last"))
    );
}

#[tokio::test]
async fn an_abort_is_a_reset_and_a_close_a_close() {
    let (mut client, mut server) = connected().await;
    client.abort().await;
    let end = server.next().await.expect("an end");
    assert!(end.is_err(), "{end:?}");

    let (mut client, mut server) = connected().await;
    client.close(Some(4001), "bye").await;
    let Message::Close(Some(frame)) = next(&mut server).await else {
        panic!("no close")
    };
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (4001, "bye")
    );
    let _ = server.flush().await;
    drop(server);
    assert_eq!(
        client.receive(PATIENCE).await,
        Event::Closed {
            code: 4001,
            reason: "bye".to_owned()
        }
    );
}

#[tokio::test]
async fn a_server_that_does_not_read_does_not_stop_the_client_from_reading() {
    let (mut client, mut server) = connected().await;
    let flood = "x".repeat(1 << 20);
    for _ in 0..32 {
        client.send_text(&flood).await;
    }
    server.send(Message::text("hello")).await.expect("sent");
    assert_eq!(
        client.receive(PATIENCE).await,
        Event::Text("hello".to_owned())
    );
}

#[tokio::test]
async fn an_upgrade_that_is_refused_tells_its_status() {
    let (url, listener) = listen().await;
    let refuse = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.expect("answered");
    };
    let backend = UrlBackend::new(&url).expect("an address");
    let (refused, ()) = tokio::join!(backend.connect(ConnectOptions::default()), refuse);
    let Err(ConnectError::Refused(answer)) = refused else {
        panic!("not refused")
    };
    assert_eq!(answer.status, 429);
    assert_eq!(answer.value("Content-Length"), Some("0"));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_without_tls_at_a_wss_address_is_an_error() {
    let (url, listener) = listen().await;
    let backend = UrlBackend::new(&url.replace("ws://", "wss://")).expect("an address");
    let answer = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("answered");
    };
    let (failed, ()) = tokio::join!(backend.connect(ConnectOptions::default()), answer);
    assert!(matches!(failed, Err(ConnectError::Failed(_))));
}

#[test]
fn only_websocket_addresses_are_taken() {
    for url in [
        "http://localhost",
        "localhost:4444",
        "ws://",
        "wss:/x",
        "",
        "ws://localhost:notaport",
        "ws://[::1]:99999/path",
        "ws://localhost:0",
    ] {
        let error = UrlBackend::new(url).expect_err(url).to_string();
        assert!(error.contains(&format!("`{url}`")), "{error}");
    }
    assert!(UrlBackend::new("ws://[::1]:4444/path?token=1").is_ok());
}

async fn listen() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("bound").port();
    (format!("ws://127.0.0.1:{port}"), listener)
}

async fn connected() -> (Box<dyn Connection>, WebSocketStream<TcpStream>) {
    let (url, listener) = listen().await;
    let backend = UrlBackend::new(&url).expect("an address");
    let accept = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        accept_async(stream).await.expect("an upgrade")
    };
    let (client, server) = tokio::join!(backend.connect(ConnectOptions::default()), accept);
    let Ok(client) = client else {
        panic!("no connection")
    };
    (client, server)
}

async fn next(server: &mut WebSocketStream<TcpStream>) -> Message {
    let message = tokio::time::timeout(PATIENCE, server.next())
        .await
        .expect("in time");
    message.expect("an open connection").expect("a message")
}
