use std::net::Ipv4Addr;

use tokio::net::TcpSocket;

/// A free port. While the socket lives nobody else is given it, and a server that is told of it can
/// listen there: neither is for itself, and both say that they share.
pub fn reserve_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(any).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}
