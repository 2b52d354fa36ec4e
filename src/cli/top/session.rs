//! One session of `top`: what comes in is folded, keys are obeyed, and the screen is drawn.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use ratatui::crossterm::event::{Event, EventStream, KeyEvent, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::content::Content;
use super::draw::{Connection, Screen as Picture};
use super::follow::{self, Update};
use super::overview::Overview;
use super::screen::Screen;
use super::view::{Action, Asked, Subject, View};
use crate::adapters::system_clock::SystemClock;
use crate::cli::client::Server;
use crate::cli::table::Look;
use crate::cli::{ClientArgs, Exit, Failure};
use crate::ports::clock::Clock;
use crate::proto::GetServerInfoResponse;

/// Messages that wait to be folded; the stream is held back beyond it.
const WAITING: usize = 1024;
/// Lines of a log that are kept.
const LOG_LINES: usize = 2000;
/// Ages are drawn anew after this, whatever happens.
const TICK: Duration = Duration::from_secs(1);

/// Shows the overview until a key or a signal ends it.
pub(super) async fn run(
    client: ClientArgs,
    server: Server,
    info: GetServerInfoResponse,
    every: Duration,
) -> Result<Exit, Failure> {
    let mut ended = signal(SignalKind::terminate())?;
    let mut screen = Screen::enter()?;
    let mut keys = EventStream::new();
    let (sender, mut updates) = channel(WAITING);
    let mut session = Session::new(client, info, sender);
    session.begin(server);
    session.draw(&mut screen)?;
    let mut drawn = Instant::now();
    loop {
        let wait = if session.is_changed { every } else { TICK };
        tokio::select! {
            _asked = ended.recv() => return Ok(Exit::Interrupted),
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) => {
                    if let Some(exit) = session.key(key) {
                        return Ok(exit);
                    }
                    session.draw(&mut screen)?;
                    drawn = Instant::now();
                }
                Some(Ok(Event::Resize(..))) => session.draw(&mut screen)?,
                Some(Ok(_other)) => {}
                Some(Err(error)) => return Err(error.into()),
                // The terminal is gone.
                None => return Ok(Exit::Interrupted),
            },
            one = updates.recv() => {
                let Some(one) = one else { return Ok(Exit::Ok) };
                session.take(one)?;
                session.take_waiting(&mut updates)?;
            }
            () = sleep_until(drawn + wait) => {
                session.draw(&mut screen)?;
                drawn = Instant::now();
            }
        }
    }
}

struct Session {
    client: ClientArgs,
    info: GetServerInfoResponse,
    sender: Sender<Update>,
    overview: Overview,
    view: View,
    connection: Connection,
    log: VecDeque<String>,
    /// Number of the log that is looked at.
    log_number: u64,
    /// Subjects of the rows as they were drawn last.
    content: Content,
    is_changed: bool,
    /// Number of actors that are being read.
    reading: usize,
    color: bool,
    tasks: JoinSet<()>,
    /// The task that follows the log that is looked at.
    log_task: JoinSet<()>,
}

impl Session {
    fn new(client: ClientArgs, info: GetServerInfoResponse, sender: Sender<Update>) -> Self {
        let overview = Overview::default();
        Self {
            content: Content::of(&overview, "", SystemClock.now()),
            client,
            info,
            sender,
            overview,
            view: View::default(),
            connection: Connection::Connecting,
            log: VecDeque::new(),
            log_number: 0,
            is_changed: false,
            reading: 0,
            color: Look::of_stdout(false).has_color(),
            tasks: JoinSet::new(),
            log_task: JoinSet::new(),
        }
    }

    fn begin(&mut self, server: Server) {
        self.tasks.spawn(follow::events(self.client.clone(), server, self.sender.clone()));
        self.tasks.spawn(follow::queues(self.client.clone(), self.sender.clone()));
    }

    /// Takes what waits, so that one drawing shows all of it.
    fn take_waiting(&mut self, updates: &mut Receiver<Update>) -> Result<(), Failure> {
        for _one in 0..WAITING {
            let Ok(one) = updates.try_recv() else { break };
            self.take(one)?;
        }
        Ok(())
    }

    fn take(&mut self, updates: Update) -> Result<(), Failure> {
        self.is_changed = true;
        match updates {
            Update::Message(message) => {
                self.connection = Connection::Live;
                self.overview.fold(*message);
                self.read_stale();
            }
            Update::Lost(why) => {
                self.overview.lost();
                self.connection = Connection::Lost(why);
            }
            Update::Expired => self.overview.expired(),
            Update::Failed(failure) => return Err(failure),
            Update::Read(id, read) => {
                self.reading = self.reading.saturating_sub(1);
                match read {
                    Ok(actor) => self.overview.put_actor(&id, actor.map(|actor| *actor)),
                    Err(()) => {
                        self.overview.stale.insert(id);
                    }
                }
            }
            Update::Queues(named) => self.overview.named = named,
            Update::Done(told) => self.view.notice = told,
            Update::Log(number, lines) if number == self.log_number => {
                self.log.extend(lines);
                let surplus = self.log.len().saturating_sub(LOG_LINES);
                self.log.drain(..surplus);
            }
            // Of a log that is no longer looked at.
            Update::Log(..) => {}
        }
        Ok(())
    }

    fn read_stale(&mut self) {
        if !self.overview.ready || self.reading > 0 || self.overview.stale.is_empty() {
            return;
        }
        let ids: Vec<String> = std::mem::take(&mut self.overview.stale).into_iter().collect();
        self.reading = ids.len();
        self.tasks.spawn(follow::read_actors(self.client.clone(), ids, self.sender.clone()));
    }

    /// Obeys a key. Returns the exit if it ends the session.
    fn key(&mut self, key: KeyEvent) -> Option<Exit> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        while self.tasks.try_join_next().is_some() {}
        let place = self.view.pane as usize;
        let keys = self.content.rows.keys.get(place)?;
        let index = self.view.index(self.view.pane, keys);
        let subject = self.content.subjects.get(place).and_then(|subjects| subjects.get(index)).cloned();
        match self.view.key(key, &self.content.rows, subject) {
            Asked::Nothing => {}
            Asked::Quit => return Some(Exit::Ok),
            Asked::Interrupt => return Some(Exit::Interrupted),
            Asked::Act(action) => self.act(action),
            Asked::Log(subject) => self.follow_log(subject),
            Asked::CloseLog => self.log_task.abort_all(),
        }
        None
    }

    fn act(&mut self, action: Action) {
        let call = action.call();
        let allowed = self.info.identity.as_ref();
        if allowed.is_some_and(|identity| !identity.allowed_calls.iter().any(|allowed| allowed == call)) {
            self.view.notice = format!("your roles do not allow {call}");
            return;
        }
        self.tasks.spawn(follow::act(self.client.clone(), action, self.sender.clone()));
    }

    fn follow_log(&mut self, subject: Subject) {
        self.log_task.abort_all();
        self.log.clear();
        self.log_number += 1;
        let followed = follow::log(self.client.clone(), subject, self.log_number, self.sender.clone());
        self.log_task.spawn(followed);
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        self.content = Content::of(&self.overview, &self.view.filter, SystemClock.now());
        self.is_changed = false;
        screen.show(&Picture {
            overview: &self.overview,
            content: &self.content,
            view: &self.view,
            connection: &self.connection,
            log: &self.log,
            color: self.color,
        })
    }
}
