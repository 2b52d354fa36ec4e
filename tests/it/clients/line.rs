//! The way between a client and the server: an address that stays while servers come and go, and that can be cut.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::heads::Heads;

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
    /// Whether the next connection that brings an answer ends between the head of the answer and its message.
    behead: Arc<AtomicBool>,
    /// When the server last wrote more than a sign of life.
    carried: Arc<watch::Sender<Instant>>,
    _task: JoinSet<()>,
    _folder: Option<TempDir>,
}

/// Most bytes of what a server writes by itself or about a connection: an answer to a ping of HTTP/2, a heartbeat.
const SIGN_OF_LIFE: usize = 256;

/// What clients are given to connect to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    Tcp,
    Unix,
    /// With the certificate of the server.
    Tls,
    /// With certificates of both, and a token.
    MutualTls,
}

impl Over {
    pub(super) fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::MutualTls)
    }
}

/// Where a line leads.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// This socket.
    Socket(PathBuf),
    /// The TCP address in this file of a server that is ready; it is another one after each start.
    ReadyFile(PathBuf),
}

/// Where clients come in.
enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket that holds little in each direction: a reader who stops is soon felt at the other end, whatever the kernel would
/// keep for it.
fn narrow_socket() -> TcpSocket {
    const HELD: u32 = 32 * 1024;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(HELD).unwrap();
    socket.set_recv_buffer_size(HELD).unwrap();
    socket
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

impl End {
    async fn connect(&self) -> Option<Box<dyn Way>> {
        match self {
            Self::Socket(path) => Some(Box::new(UnixStream::connect(path).await.ok()?)),
            Self::ReadyFile(path) => {
                let ready = std::fs::read(path).ok()?;
                let ready: serde_json::Value = serde_json::from_slice(&ready).ok()?;
                let mut addresses =
                    ready["addresses"].as_array()?.iter().filter_map(|address| address.as_str());
                let address = addresses.find(|address| !address.starts_with("unix"))?;
                Some(Box::new(narrow_socket().connect(address.parse().ok()?).await.ok()?))
            }
        }
    }
}

impl Line {
    /// From a door of its own to this end.
    pub(super) fn to(end: End, over: Over) -> Self {
        let (door, address, folder) = match over {
            Over::Tcp | Over::Tls | Over::MutualTls => {
                let socket = narrow_socket();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let listener = socket.listen(64).unwrap();
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
        let behead = Arc::new(AtomicBool::new(false));
        let mut task = JoinSet::new();
        let carried = Arc::new(watch::Sender::new(Instant::now()));
        let way = Carrier { end, behead: Arc::clone(&behead), carried: Arc::clone(&carried) };
        task.spawn(carry(door, way, inbox));
        Self { address, orders, behead, carried, _task: task, _folder: folder }
    }

    /// Waits until the server was not able to write anything for so long, counted from now at the earliest.
    pub(super) async fn quiet_for(&self, time: Duration) {
        let begun = Instant::now();
        loop {
            let quiet = begun.max(*self.carried.borrow()) + time;
            if quiet <= Instant::now() {
                return;
            }
            sleep_until(quiet).await;
        }
    }

    /// Does what a scenario calls it.
    pub(super) async fn order(&self, name: &str) {
        let order = match name {
            "cut" => Order::Cut,
            "down" => Order::Down,
            "up" => Order::Up,
            "behead" => return self.behead.store(true, Ordering::SeqCst),
            other => panic!("{other} is nothing that can be done to a line"),
        };
        self.orders.send(order).await.unwrap();
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Carrier {
    end: End,
    behead: Arc<AtomicBool>,
    carried: Arc<watch::Sender<Instant>>,
}

async fn carry(door: Door, carrier: Carrier, mut inbox: mpsc::Receiver<Order>) {
    let mut connections = JoinSet::new();
    let (up, is_up) = watch::channel(true);
    loop {
        tokio::select! {
            client = door.accept() => {
                if *is_up.borrow() {
                    connections.spawn(join(client, carrier.clone()));
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

/// Both directions until both have ended. A server that is away is a connection that ends at once.
async fn join(client: Box<dyn Way>, carrier: Carrier) {
    let Some(server) = carrier.end.connect().await else { return };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let there = async {
        let _ended = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ended = to_server.shutdown().await;
    };
    let back = async {
        let _ended = answers(&mut from_server, &mut to_client, &carrier).await;
        let _ended = to_client.shutdown().await;
    };
    tokio::join!(there, back);
}

/// What the server writes, up to its end, or behind the head of an answer if that is to be.
async fn answers(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    carrier: &Carrier,
) -> io::Result<()> {
    let (mut heads, mut buffer) = (Heads::default(), vec![0; 64 * 1024]);
    loop {
        let length = server.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if length > SIGN_OF_LIFE {
            carrier.carried.send_replace(Instant::now());
        }
        match heads.end_in(&buffer[..length]) {
            Some(end) if carrier.behead.swap(false, Ordering::SeqCst) => {
                return client.write_all(&buffer[..end]).await;
            }
            Some(_) | None => client.write_all(&buffer[..length]).await?,
        }
    }
}
