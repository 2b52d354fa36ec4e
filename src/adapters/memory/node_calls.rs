//! Calls between supervisors of one process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::domain::model::id::NodeName;
use crate::lock::Lock;
use crate::ports::node_calls::{
    MAX_WAITING, NodeCallError, NodeCalls, NodeInbox, NodeInboxError, TAKE_LIMIT, TakenCall,
};

/// Calls that wait for the supervisors of nodes.
#[derive(Default)]
pub struct MemoryNodeCalls {
    nodes: Lock<BTreeMap<NodeName, Arc<Waiting>>>,
}

/// The calls for one node that nobody has taken.
#[derive(Default)]
struct Waiting {
    calls: Lock<VecDeque<Sent>>,
    more: Notify,
}

/// A call that was sent.
struct Sent {
    call: Vec<u8>,
    /// Says that it was taken.
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Vec<u8>>,
}

impl MemoryNodeCalls {
    fn of(&self, node: &NodeName) -> Arc<Waiting> {
        Arc::clone(self.nodes.lock().entry(node.clone()).or_default())
    }
}

#[async_trait]
impl NodeCalls for MemoryNodeCalls {
    async fn call(&self, node: &NodeName, call: Vec<u8>) -> Result<Vec<u8>, NodeCallError> {
        let waiting = self.of(node);
        let ((taken, mut is_taken), (answer, answered)) = (oneshot::channel(), oneshot::channel());
        {
            let mut calls = waiting.calls.lock();
            // Whoever waited for these has gone.
            calls.retain(|sent| !sent.taken.is_closed());
            if calls.len() >= MAX_WAITING {
                return Err(NodeCallError::TooMany);
            }
            calls.push_back(Sent { call, taken, answer });
        }
        waiting.more.notify_one();
        if timeout(TAKE_LIMIT, &mut is_taken).await.is_err() {
            // From here on nobody can take it; somebody may have just now.
            is_taken.close();
            if is_taken.try_recv().is_err() {
                return Err(NodeCallError::NotTaken);
            }
        }
        answered.await.map_err(|_gone| NodeCallError::Lost)
    }

    fn inbox(&self, node: &NodeName) -> Box<dyn NodeInbox> {
        Box::new(Inbox { waiting: self.of(node) })
    }
}

struct Inbox {
    waiting: Arc<Waiting>,
}

#[async_trait]
impl NodeInbox for Inbox {
    async fn next(&mut self) -> Result<Box<dyn TakenCall>, NodeInboxError> {
        loop {
            while let Some(sent) = self.pop() {
                if sent.taken.send(()).is_ok() {
                    return Ok(Box::new(Taken { call: sent.call, answer: Lock::new(Some(sent.answer)) }));
                }
            }
            self.waiting.more.notified().await;
        }
    }
}

impl Inbox {
    fn pop(&self) -> Option<Sent> {
        self.waiting.calls.lock().pop_front()
    }
}

struct Taken {
    call: Vec<u8>,
    answer: Lock<Option<oneshot::Sender<Vec<u8>>>>,
}

#[async_trait]
impl TakenCall for Taken {
    fn call(&self) -> &[u8] {
        &self.call
    }

    async fn hold(&self) -> Result<(), NodeInboxError> {
        Ok(())
    }

    async fn answer(&self, answer: Vec<u8>) -> Result<(), NodeInboxError> {
        if let Some(sender) = self.answer.lock().take() {
            // Who asked may have gone.
            drop(sender.send(answer));
        }
        Ok(())
    }
}
