//! Leadership of a node: of several supervisors on one node, one pings and scales its actors. Leadership of the fleet: of the
//! leaders of all nodes, one decides on numbers that count over nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::domain::model::fleet::Fleet;
use crate::domain::model::id::NodeName;
use crate::error::chain;
use crate::lock::Lock;
use crate::ports::shared_store::SharedStore;

/// A leader that is gone is replaced after this; a leader renews three times within it.
pub(crate) const TERM: Duration = Duration::from_secs(3);

/// The candidacy of one supervisor for the leadership of its node.
pub(crate) struct Leadership {
    store: Arc<dyn SharedStore>,
    node: NodeName,
    /// Name that distinguishes this supervisor from the others of the node.
    instance: String,
    leads: AtomicBool,
    /// The fleet as this leader of its node has last seen it; None while it does not lead the node.
    fleet: Lock<Option<Fleet>>,
}

impl Leadership {
    /// Makes a candidate that does not lead yet.
    pub(crate) fn new(store: Arc<dyn SharedStore>, node: NodeName) -> Self {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        Self { store, node, instance, leads: AtomicBool::new(false), fleet: Lock::default() }
    }

    /// Returns whether this supervisor leads, as of the last [`Leadership::renew`].
    pub(crate) fn is_leader(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    /// Asks for the leadership, or keeps it. Without an answer of the store nobody knows who leads, so this supervisor
    /// does not.
    pub(crate) async fn renew(&self) {
        let leads = self.store.lead(&self.node, &self.instance, TERM).await;
        let leads = leads.unwrap_or(false);
        self.leads.store(leads, Ordering::SeqCst);
        let fleet = if leads { self.join_fleet().await } else { None };
        *self.fleet.lock() = fleet;
    }

    /// Notes that the node is there. Without an answer nobody knows which other ones are.
    async fn join_fleet(&self) -> Option<Fleet> {
        let joined = self.store.join_fleet(&self.node, TERM).await;
        joined
            .inspect_err(|error| {
                tracing::debug!(error = %chain(error), "fleet: this machine is not noted (the store does not answer)");
            })
            .ok()
    }

    /// Returns the fleet if this supervisor leads it, as of the last [`Leadership::renew`].
    pub(crate) fn fleet_led(&self) -> Option<Fleet> {
        self.fleet.lock().clone().filter(|fleet| fleet.leader.as_ref() == Some(&self.node))
    }

    /// Gives the leadership up, so that another supervisor need not wait for the end of the term.
    pub(crate) async fn step_down(&self) {
        if !self.is_leader() {
            return;
        }
        if self.fleet_led().is_some()
            && let Err(error) = self.store.leave_fleet(&self.node).await
        {
            tracing::debug!(error = %chain(&error), "leadership of the fleet: it ends with its term (the store does not answer)");
        }
        if let Err(error) = self.store.step_down(&self.node, &self.instance).await {
            tracing::debug!(error = %chain(&error), "leadership: it ends with its term (the store does not answer)");
        }
    }
}
