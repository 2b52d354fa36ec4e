//! The way between a client and the server: an address that stays while servers come and go, and that can be cut.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, UnixListener, UnixStream};
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
    /// For the client, as it takes it.
    pub(super) address: String,
    orders: mpsc::Sender<Order>,
    _task: JoinSet<()>,
    _folder: Option<TempDir>,
}

/// What clients are given to connect to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    Tcp,
    Unix,
}

/// Where clients come in.
enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Way: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

impl Door {
    async fn accept(&self) -> Box<dyn Way> {
        match self {
            Self::Tcp(listener) => Box::new(listener.accept().await.unwrap().0),
            Self::Unix(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }
}

impl Line {
    /// From a door of its own to this socket.
    pub(super) async fn to(socket: PathBuf, over: Over) -> Self {
        let (door, address, folder) = match over {
            Over::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                (Door::Tcp(listener), address, None)
            }
            Over::Unix => {
                let folder = tempfile::Builder::new().prefix("line").tempdir_in("/tmp").unwrap();
                let path = folder.path().join("s");
                let listener = UnixListener::bind(&path).unwrap();
                (Door::Unix(listener), format!("unix:{}", path.display()), Some(folder))
            }
        };
        let (orders, inbox) = mpsc::channel(4);
        let mut task = JoinSet::new();
        task.spawn(carry(door, socket, inbox));
        Self { address, orders, _task: task, _folder: folder }
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

async fn carry(door: Door, socket: PathBuf, mut inbox: mpsc::Receiver<Order>) {
    let mut connections = JoinSet::new();
    let (up, is_up) = watch::channel(true);
    loop {
        tokio::select! {
            client = door.accept() => {
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
async fn join(mut client: Box<dyn Way>, socket: PathBuf) {
    if let Ok(mut server) = UnixStream::connect(socket).await {
        let _ended = copy_bidirectional(&mut client, &mut server).await;
    }
}
