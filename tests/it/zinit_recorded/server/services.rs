//! The services of the played server, which are only states.

use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Plays, RESTART, RecordedZinit, Service, notification};

/// Loads the file of a service and starts it.
pub(super) fn monitor_service(world: &Arc<Mutex<RecordedZinit>>, name: &str) {
    {
        let mut world = world.lock().unwrap();
        let content = world.files[name].clone();
        let plays = world.plays.get(name).copied().unwrap_or(Plays::Runs);
        let after = content["after"].as_array().cloned().unwrap_or_default();
        let service = Service {
            pid: 0,
            state: "Unknown".to_owned(),
            target: "Up",
            plays,
            oneshot: content["oneshot"] == true,
            checked: content["test"].is_string(),
            after: after.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            turn: 0,
        };
        world.services.insert(name.to_owned(), service);
    }
    spawned(world, name);
}

/// Adds a line to the log, and sends it to those who have subscribed.
pub(super) fn write(world: &mut RecordedZinit, name: &str, mark: &str, text: &str) {
    let line = format!("[{mark}] {name}: {text}");
    world.log.push(line.clone());
    world.followers.retain(|(of, subscription, follower)| {
        of != name || follower.try_send(notification(*subscription, &line)).is_ok()
    });
}

/// Starts the process of a service.
fn spawned(world: &Arc<Mutex<RecordedZinit>>, name: &str) {
    let plays = {
        let mut world = world.lock().unwrap();
        world.last_pid += 1;
        let pid = 1_000_000_000 + world.last_pid;
        write(&mut world, name, "-", "------------ [start] ------------");
        let held = world.held.contains(name);
        let Some(service) = world.services.get_mut(name) else { return };
        service.turn += 1;
        if service.plays == Plays::Missing {
            service.state = "Failure".to_owned();
            return;
        }
        // The check of a oneshot is never run.
        let waits = service.checked && !service.oneshot && held;
        (service.pid, service.state) = (pid, if waits { "Spawned" } else { "Running" }.to_owned());
        service.plays
    };
    if let Plays::Exits(code) = plays {
        let pid = world.lock().unwrap().services[name].pid;
        ended(
            world,
            name,
            &if code == 0 { "Success".to_owned() } else { format!("Error(Exited(Pid({pid}), {code}))") },
        );
    }
}

/// Ends the process of a service, which is started again after 2 s if it is wanted.
pub(super) fn ended(world: &Arc<Mutex<RecordedZinit>>, name: &str, state: &str) {
    let turn = {
        let mut world = world.lock().unwrap();
        let Some(service) = world.services.get_mut(name) else { return };
        service.turn += 1;
        (service.pid, service.state) = (0, state.to_owned());
        if service.oneshot {
            return;
        }
        service.turn
    };
    let (world, name) = (world.clone(), name.to_owned());
    let mut late = JoinSet::new();
    late.spawn(async move {
        sleep(RESTART).await;
        let due = {
            let world = world.lock().unwrap();
            world.services.get(&name).is_some_and(|service| service.turn == turn && service.target == "Up")
        };
        if due {
            spawned(&world, &name);
        }
    });
    late.detach_all();
}
