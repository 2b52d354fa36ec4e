//! The network, as far as scripts need to look at it.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rhai::{INT, ImmutableString};

use super::book::Book;
use super::world::{Called, World};

/// Nobody waits longer for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn write(book: &mut Book, world: &Arc<World>) {
    book.family("Network", "");
    let w = Arc::clone(world);
    let about = "True if something accepts connections at this port within 5 s.";
    book.add("tcp_check", &["host", "port"], about, move |host: ImmutableString, port: INT| {
        tcp_check(&w, &host, port)
    });
}

fn tcp_check(world: &World, host: &str, port: INT) -> Called<bool> {
    let port = u16::try_from(port).map_err(|_| "a port is a number from 0 to 65535")?;
    let Ok(mut addresses) = (host, port).to_socket_addrs() else { return Ok(false) };
    let open = addresses.any(|address| {
        let patience = world.session.left().min(PATIENCE);
        !patience.is_zero() && TcpStream::connect_timeout(&address, patience).is_ok()
    });
    if world.session.is_over() { Err(World::over()) } else { Ok(open) }
}
