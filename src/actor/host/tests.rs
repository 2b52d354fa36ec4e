use std::sync::Mutex;

use super::*;
use crate::actor::frame::{decode_reply, encode_job, first_frame};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobResult, JobSpec, ResultKind};
use crate::domain::model::script_type::ScriptType;
use crate::ports::work_queue::{AttemptError, Lease, TakenJob};

/// Notes what it runs.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Engine for Notes {
    // The limit of memory would be that of the test.
    const LIMITS_MEMORY: bool = true;

    fn probe(&mut self) -> Result<String, String> {
        Ok("notes".to_owned())
    }

    fn run(&mut self, script: &Script<'_>, _sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        self.0.lock().unwrap().push(script.text.to_owned());
        Ok(JobResult { text: script.text.to_owned(), kind: ResultKind::Text })
    }
}

/// The actor's end of the job socket.
struct Actor {
    socket: UnixStream,
    bytes: Vec<u8>,
}

impl Actor {
    fn submit(&mut self, seq: u64, text: &str, start_by: Instant) {
        let lease = Lease { token: seq.to_string(), job_id: JobId::mint() };
        let job = TakenJob { lease, spec: JobSpec::new(ScriptType::OSIS, text), attempt: 1 };
        let mut frame = Vec::new();
        encode_job(&mut frame, seq, &job, start_by);
        self.socket.write_all(&frame).unwrap();
    }

    fn reply(&mut self) -> Reply {
        loop {
            if let Some((body, length)) = first_frame(&self.bytes).unwrap() {
                let reply = decode_reply(body).unwrap();
                self.bytes.drain(..length);
                return reply;
            }
            let mut chunk = [0; 4096];
            let count = self.socket.read(&mut chunk).unwrap();
            assert!(count > 0, "the host is gone");
            self.bytes.extend_from_slice(&chunk[..count]);
        }
    }
}

#[test]
fn a_job_whose_lease_may_be_over_does_not_start_nor_does_any_behind_it() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut actor = Actor { socket: ours, bytes: Vec::new() };
    let (gate, ran) = (Arc::new(StartGate::default()), Arc::<Mutex<Vec<String>>>::default());
    let (hosts_gate, engine) = (Arc::clone(&gate), Notes(Arc::clone(&ran)));
    let control = ControlSocket::new(theirs.try_clone().unwrap());
    let host = std::thread::spawn(move || {
        let (caller, _replies) = Caller::new(control);
        let limits = Limits::default();
        Scripts { actor_id: "osis_actor_0", gate: &hosts_gate, limits, base: 0, caller }
            .run(move |_limits| engine, theirs)
    });
    assert!(matches!(actor.reply(), Reply::Ready { .. }));
    let now = Instant::now();
    let later = now + Duration::from_secs(600);
    // The first one lay in the socket until its lease was over.
    actor.submit(1, "late", now);
    actor.submit(2, "behind it", later);
    assert_eq!(actor.reply(), Reply::Stale { seq: 1 });
    assert_eq!(gate.call_back(2), 0, "none was started");
    actor.submit(3, "renewed", later);
    assert!(matches!(actor.reply(), Reply::Done(Done { seq: 3, .. })));
    assert_eq!(*ran.lock().unwrap(), ["renewed"]);
    actor.socket.shutdown(std::net::Shutdown::Write).unwrap();
    host.join().unwrap().unwrap();
}
