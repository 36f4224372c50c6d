//! Links into which packets are turned aside on purpose, so that somebody can do something to them: a pair of ends, one in the namespace that the
//! packets are in, the other in that of whoever takes them.
//!
//! No plan knows them. They go with the namespace of whoever takes the packets, whatever becomes of him.

use std::io;
use std::os::fd::BorrowedFd;

use super::socket::Netlink;
use super::{messages, offload, space};
use crate::plan::{End, Link};

/// What the names of such links begin with in the namespaces of plans.
pub const ASIDE: &str = "nwf-";

/// Largest packet of such a link: any that another carries.
const MTU: u32 = 65_535;
/// Where the numbers of such links begin: those of plans count up from 1.
const FIRST: u32 = 0x2000_0000;

/// Moves the calling thread into a namespace of its own, which ends with it.
///
/// # Errors
///
/// The kernel's.
pub fn apart() -> io::Result<()> {
    space::make().map(drop)
}

/// Makes a link: `near` is its end in a namespace, by name and the number that tells it from others there; `far` its end in the namespace that the calling
/// thread is in. Frames leave the near end as they would go over a wire, each with its checksums and none longer than a packet may be.
///
/// # Errors
///
/// The kernel's.
pub fn capture(
    (space, near, number): (BorrowedFd<'_>, &str, u32),
    far: &str,
) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    let own = std::fs::File::open("/proc/thread-self/ns/net").map_err(said)?;
    let end = |name: &str, last: u8| End {
        namespace: String::new(),
        name: name.to_owned(),
        mac: [0x02, 0x6e, 0x77, 0x66, 0, last],
    };
    let link = Link { a: end(far, 1), b: end(near, 2), mtu: MTU, ..Link::default() };
    let index = FIRST | (number & (FIRST - 1));
    let own = std::os::fd::AsFd::as_fd(&own);
    let asked = vec![messages::link(&link, (index, own), (index, space))];
    let told = |refusals: Vec<super::socket::Refusal>| match refusals.into_iter().next() {
        Some(refusal) => Err(format!("{}: {}", refusal.object, refusal.said)),
        None => Ok(()),
    };
    Netlink::here().and_then(|mut netlink| netlink.all(asked)).map_err(said).and_then(told)?;
    let done = space::within(space, || {
        offload::set(&[(near, true)])?;
        Netlink::here()?.all(vec![messages::up(index)])
    });
    done.and_then(|done| done).map_err(said).and_then(told)
}
