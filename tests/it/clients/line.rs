//! The way between a client and the server: a TCP address that stays while servers come and go, and that can be cut.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What is to become of connections.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// End those that there are.
    Cut,
    /// End those that there are, and refuse new ones.
    Down,
    /// Let new ones through again.
    Up,
}

/// The way, as long as it lives.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    orders: mpsc::Sender<Order>,
    _task: JoinSet<()>,
}

impl Line {
    /// From a port of its own to this socket.
    pub(super) async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, inbox) = mpsc::channel(4);
        let mut task = JoinSet::new();
        task.spawn(carry(listener, socket, inbox));
        Self { address, orders, _task: task }
    }

    /// Does what a scenario calls it.
    pub(super) async fn order(&self, name: &str) {
        let order = match name {
            "cut" => Order::Cut,
            "down" => Order::Down,
            "up" => Order::Up,
            other => panic!("{other} is nothing that can be done to a line"),
        };
        self.orders.send(order).await.unwrap();
    }
}

async fn carry(listener: TcpListener, socket: PathBuf, mut inbox: mpsc::Receiver<Order>) {
    let mut connections = JoinSet::new();
    let (up, is_up) = watch::channel(true);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                if *is_up.borrow() {
                    connections.spawn(join(client, socket.clone()));
                }
            }
            Some(order) = inbox.recv() => {
                connections.shutdown().await;
                up.send_replace(!matches!(order, Order::Down));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Both directions until one of them ends. A server that is away is a connection that ends at once.
async fn join(mut client: TcpStream, socket: PathBuf) {
    if let Ok(mut server) = UnixStream::connect(socket).await {
        let _ended = copy_bidirectional(&mut client, &mut server).await;
    }
}
