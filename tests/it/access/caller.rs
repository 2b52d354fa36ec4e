//! Callers with tokens, and a server that knows them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::app::identities::Identities;
use hero_supervisor::config::{AuthFlags, Config, Env, Flags};
use hero_supervisor::domain::access::{
    Identity, IdentityKind, NewToken, Pattern, Role, Roles, Scopes, StoredToken, TokenTable,
};
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use tokio::sync::watch;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::grpc_surface::on_memory::GrpcOnMemory;

/// A clock that a test steps.
pub(crate) struct Stepped(watch::Sender<SystemTime>);

impl Clock for Stepped {
    fn now(&self) -> SystemTime {
        *self.0.borrow()
    }
}

impl Stepped {
    pub(crate) fn step(&self, span: Duration) {
        self.0.send_modify(|now| *now += span);
    }

    pub(crate) fn step_back(&self, span: Duration) {
        self.0.send_modify(|now| *now -= span);
    }
}

/// A token and what it stands for.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) token: NewToken,
    pub(crate) identity: Identity,
}

impl Caller {
    /// A caller with roles; its token is made of the seed.
    pub(crate) fn new(id: &str, roles: &[Role], scopes: Scopes) -> Self {
        let random = std::array::from_fn(|place| id.as_bytes()[place % id.len()]);
        let roles: Roles = roles.iter().copied().collect();
        let identity = Identity { scopes, ..Identity::new(IdentityKind::Token, id, roles) };
        Self { token: NewToken::new(id, &random), identity }
    }

    /// A submitter of OSIS jobs for these callers.
    pub(crate) fn submitter(id: &str, callers: &[&str]) -> Self {
        let scopes =
            Scopes { callers: patterns(callers), script_types: patterns(&["osis"]), ..Scopes::default() };
        Self::new(id, &[Role::Submitter], scopes)
    }

    /// The entry of the token file.
    pub(crate) fn stored(&self) -> StoredToken {
        StoredToken {
            identity: self.identity.clone(),
            digest: self.token.digest,
            previous: None,
            created_at: None,
        }
    }
}

pub(crate) fn patterns(raw: &[&str]) -> Option<Vec<Pattern>> {
    Some(raw.iter().map(|raw| Pattern::parse(raw).unwrap()).collect())
}

/// A server that asks who calls.
pub(crate) struct Guarded {
    pub(crate) world: GrpcOnMemory,
    pub(crate) identities: Arc<Identities>,
    pub(crate) clock: Arc<Stepped>,
    port: u16,
}

impl Guarded {
    /// A server on a TCP port that knows these callers.
    pub(crate) async fn start(callers: &[&Caller]) -> Self {
        Self::serve(GrpcOnMemory::prepare(), callers).await
    }

    /// The same with an actor that runs OSIS jobs.
    pub(crate) async fn start_with_worker(callers: &[&Caller]) -> Self {
        let mut world = GrpcOnMemory::prepare();
        world.start_osis_worker();
        Self::serve(world, callers).await
    }

    async fn serve(mut world: GrpcOnMemory, callers: &[&Caller]) -> Self {
        let auth = AuthFlags { mode: Some("required".to_owned()), ..AuthFlags::default() };
        let flags = Flags { auth, ..Flags::default() };
        let config = Config::load(Config::layers(None, Env::default(), flags)).unwrap().config;
        let clock = Arc::new(Stepped(watch::Sender::new(SystemClock.now())));
        let identities = Arc::new(Identities::new(&config, Arc::clone(&clock) as Arc<_>));
        identities.set_tokens(TokenTable::new(callers.iter().map(|caller| caller.stored())));
        world.authenticator = Some(Arc::clone(&identities) as Arc<_>);
        let port = world.serve_tcp().await;
        Self { world, identities, clock, port }
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://127.0.0.1:{}", self.port)).unwrap().connect_lazy()
    }

    /// A client that shows the token of a caller.
    pub(crate) fn client(&self, caller: &Caller) -> SupervisorClient<InterceptedService<Channel, Bearer>> {
        SupervisorClient::with_interceptor(self.channel(), Bearer::of(&caller.token.text))
    }
}

/// Adds the header to each request.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    pub(crate) fn of(token: &str) -> Self {
        Self(format!("Bearer {token}").parse().unwrap())
    }
}

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}
