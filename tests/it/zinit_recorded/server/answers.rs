//! What is answered to each call, as it was recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::services::{ended, monitor_service};
use super::{Dialect, Plays, RecordedZinit, STOP};

/// v0.2.25 looks for children for a tenth of a second only.
const FAST_STOP: Duration = Duration::from_millis(640);

/// YAML reads these spellings as numbers; all others that were tried came back as they were.
fn retyped(mut content: Value) -> Value {
    for (_name, value) in content["env"].as_object_mut().into_iter().flatten() {
        let read = |(prefix, radix)| i64::from_str_radix(value.as_str()?.strip_prefix(prefix)?, radix).ok();
        if let Some(number) = [("0o", 8), ("0b", 2)].into_iter().find_map(read) {
            *value = number.into();
        }
    }
    content
}

fn lines_of(world: &RecordedZinit, name: &str) -> Vec<String> {
    let of_it = |line: &&String| line[4..].starts_with(&format!("{name}:"));
    world.log.iter().filter(of_it).cloned().collect()
}

/// A refusal in the words of v0.2.28.
fn refused(code: i64, action: &str, name: &str, what: &str, code_name: &str) -> Value {
    json!({"code": code, "message": format!("{action}: service '{name}' {what}"),
           "data": {"action": action, "cause_chain": [], "code_name": code_name, "hint": "", "retryable": false, "service": name}})
}

/// The same in those of the versions before.
fn terse(refusal: &Value) -> Value {
    let action = refusal["data"]["action"].as_str().unwrap_or_default();
    match (action, refusal["code"].as_i64().unwrap()) {
        ("getting service" | "deleting service", code @ -32000) | (_, code @ -32007) => {
            json!({"code": code, "message": "Server error"})
        }
        (_, code @ -32601) => json!({"code": code, "message": refusal["message"]}),
        _other => json!({"code": -32603, "message": "Internal error"}),
    }
}

/// What is answered to a call.
pub(super) async fn answer(
    world: &Arc<Mutex<RecordedZinit>>,
    method: &str,
    params: &Value,
) -> Result<Value, Value> {
    let dialect = world.lock().unwrap().dialect();
    let answer = answer_in_full(world, method, params, dialect).await;
    answer.map_err(|refusal| if dialect == Dialect::V0_2_28 { refusal } else { terse(&refusal) })
}

async fn answer_in_full(
    world: &Arc<Mutex<RecordedZinit>>,
    method: &str,
    params: &Value,
    dialect: Dialect,
) -> Result<Value, Value> {
    let name = params[0].as_str().or(params["name"].as_str()).unwrap_or_default().to_owned();
    let lock = || world.lock().unwrap();
    let missing = |action: &str| refused(-32000, action, &name, "not found", "ServiceNotFound");
    let exists =
        |action: &str| lock().services.contains_key(&name).then_some(()).ok_or_else(|| missing(action));
    match method {
        "rpc.discover" if dialect == Dialect::V0_2_25 => {
            let names = ["rpc_discover", "service_list", "service_create", "service_monitor"];
            let methods: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            Ok(json!({"openrpc": "1.2.6", "methods": methods}))
        }
        "rpc.discover" => Ok(json!("{\"openrpc\":\"1.2.6\",\"methods\":[{\"name\":\"service_list\"}]}")),
        "service_list" => {
            let mut world = lock();
            if world.failing_lists > 0 {
                world.failing_lists -= 1;
                return Err(refused(-32000, "getting status", "r19", "not found", "ServiceNotFound"));
            }
            Ok(world.services.iter().map(|(name, service)| (name.clone(), json!(service.state))).collect())
        }
        "service_status" => {
            exists("getting status")?;
            let world = lock();
            let service = &world.services[&name];
            let state_of =
                |name: &String| world.services.get(name).map_or("Unknown".to_owned(), |s| s.state.clone());
            let after: BTreeMap<&String, String> =
                service.after.iter().map(|name| (name, state_of(name))).collect();
            Ok(
                json!({"name": name, "pid": service.pid, "state": service.state, "target": service.target, "after": after}),
            )
        }
        "service_create" => {
            if name.contains(['/', '\\', '.']) {
                return Err(refused(
                    -32602,
                    "creating service",
                    &name,
                    "has an invalid name",
                    "InvalidServiceName",
                ));
            }
            if lock().files.contains_key(&name) {
                return Err(refused(
                    -32007,
                    "creating service",
                    &name,
                    "already exists",
                    "ServiceAlreadyExists",
                ));
            }
            lock().files.insert(name.clone(), params[1].clone());
            Ok(json!(format!("Service '{name}' created successfully")))
        }
        "service_get" => {
            let content = lock().files.get(&name).cloned().ok_or_else(|| missing("getting service"))?;
            Ok(retyped(content))
        }
        "service_monitor" => {
            if lock().services.contains_key(&name) {
                return Err(refused(
                    -32001,
                    "monitoring service",
                    &name,
                    "already monitored",
                    "ServiceAlreadyMonitored",
                ));
            }
            if !lock().files.contains_key(&name) {
                return Err(missing("monitoring service"));
            }
            monitor_service(world, &name);
            Ok(Value::Null)
        }
        "service_kill" => {
            exists("sending signal")?;
            let (pid, plays) = {
                let world = lock();
                let service = &world.services[&name];
                (service.pid, service.plays)
            };
            if pid == 0 {
                return Err(refused(-32003, "sending signal", &name, "is down", "ServiceIsDown"));
            }
            match (params[1].as_str().unwrap(), plays) {
                ("SIGTERM", Plays::Ignores) => {}
                ("SIGTERM", Plays::EndsAfter(span)) => {
                    let (world, name) = (world.clone(), name.clone());
                    let mut late = JoinSet::new();
                    late.spawn(async move {
                        sleep(span).await;
                        let same = world
                            .lock()
                            .unwrap()
                            .services
                            .get(&name)
                            .is_some_and(|service| service.pid == pid);
                        if same {
                            ended(&world, &name, "Success");
                        }
                    });
                    late.detach_all();
                }
                (signal, _) => ended(world, &name, &format!("Error(Signaled(Pid({pid}), {signal}, false))")),
            }
            Ok(Value::Null)
        }
        "service_stop" => {
            exists("stopping service")?;
            lock().services.get_mut(&name).unwrap().target = "Down";
            sleep(if dialect == Dialect::V0_2_25 { FAST_STOP } else { STOP }).await;
            let pid = lock().services.get(&name).map_or(0, |service| service.pid);
            if pid != 0 {
                ended(world, &name, &format!("Error(Signaled(Pid({pid}), SIGKILL, false))"));
            }
            Ok(Value::Null)
        }
        "service_forget" => {
            exists("forgetting service")?;
            if lock().services[&name].pid != 0 {
                return Err(refused(-32002, "forgetting service", &name, "is up", "ServiceIsUp"));
            }
            lock().services.remove(&name);
            Ok(Value::Null)
        }
        "service_delete" => {
            lock().files.remove(&name).ok_or_else(|| missing("deleting service"))?;
            Ok(json!(format!("Service '{name}' deleted successfully")))
        }
        "stream_currentLogs" => Ok(json!(lines_of(&lock(), &name))),
        "stream_subscribeLogs" => {
            let mut world = lock();
            world.last_subscription += 1;
            Ok(json!(6_871_258_777_139_183u64 + world.last_subscription))
        }
        _unknown => Err(json!({"code": -32601, "message": "Method not found"})),
    }
}
