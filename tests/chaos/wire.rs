//! A way to Redis that can be cut, held up, or lose what comes back.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What it does with what comes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Lets everything through.
    Pass,
    /// Breaks connections, new ones too.
    Cut,
    /// Lets nothing through, and loses nothing.
    Stall,
    /// Lets requests through and loses the answers; connections break when that ends.
    LoseAnswers,
}

/// A unix socket in front of another one. Dropped, its connections are gone.
pub(crate) struct Wire {
    dir: TempDir,
    mode: watch::Sender<Mode>,
    _links: JoinSet<()>,
}

impl Wire {
    /// In front of this socket.
    pub(crate) fn start(target: PathBuf) -> Self {
        let dir = tempfile::Builder::new().prefix("hsw").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(dir.path().join("w.sock")).unwrap();
        let mode = watch::Sender::new(Mode::Pass);
        let mut accepting = JoinSet::new();
        let modes = mode.subscribe();
        accepting.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _address)) = listener.accept().await {
                links.spawn(link(client, target.clone(), modes.clone()));
                while links.try_join_next().is_some() {}
            }
        });
        Self { dir, mode, _links: accepting }
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.dir.path().join("w.sock").display())
    }

    /// From now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn link(client: UnixStream, target: impl AsRef<Path>, mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, mode.clone(), false) => {}
        () = pump(from_server, to_client, mode.clone(), true) => {}
        () = broken(mode) => {}
    }
}

async fn broken(mut mode: watch::Receiver<Mode>) {
    loop {
        let before = *mode.borrow_and_update();
        if before == Mode::Cut || mode.changed().await.is_err() {
            return;
        }
        if before == Mode::LoseAnswers {
            return;
        }
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    answers: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() {
            return;
        }
        if answers && *mode.borrow() == Mode::LoseAnswers {
            continue;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
