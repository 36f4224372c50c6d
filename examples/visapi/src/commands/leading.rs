//! Who leads: a lease by the database's clock, with an epoch that is never used twice, and that SQL asks for before anything is done under it.

use serde_json::json;

use super::{Answer, Terms, done};
use crate::broken::Broken;
use crate::database::Session;
use crate::trouble::Trouble;

/// The longest lease, in milliseconds.
const LONGEST: u32 = 60_000;

pub(super) async fn lead(
    session: &mut Session,
    election: &str,
    node: &str,
    milliseconds: u32,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    let there = "insert into leadership (election) values ($1) on conflict do nothing";
    session.run(there, &[&election]).await?;
    let ask =
        "select epoch, holder, coalesce(expires_at > clock_timestamp(), false) from leadership
        where election = $1 for update";
    let row = session.one(ask, &[&election]).await?;
    let (epoch, holder, live): (i64, Option<String>, bool) = (row.get(0), row.get(1), row.get(2));
    let own = holder.as_deref() == Some(node);
    let milliseconds = f64::from(milliseconds.clamp(1, LONGEST));
    let mine: i64 = if terms.broken == Some(Broken::NoFencing) {
        // Whoever asks leads, and the epoch of whoever led is good enough.
        let give = "update leadership set epoch = greatest(epoch, 1), holder = $2,
            expires_at = clock_timestamp() + $3 * interval '1 millisecond' where election = $1 returning epoch";
        session.one(give, &[&election, &node, &milliseconds]).await?.get(0)
    } else if live && !own {
        return Ok(done(
            409,
            "led",
            json!({ "election": election, "epoch": epoch, "holder": holder }),
        ));
    } else {
        // A lease that had ended is a new epoch, also for who had it: somebody else may have acted meanwhile.
        let give = "update leadership set epoch = epoch + $4, holder = $2,
            expires_at = clock_timestamp() + $3 * interval '1 millisecond' where election = $1 returning epoch";
        let step = i64::from(!(live && own));
        session.one(give, &[&election, &node, &milliseconds, &step]).await?.get(0)
    };
    if mine != epoch || !own {
        let keep =
            "insert into epochs (election, epoch, holder, how) values ($1, $2, $3, 'elected')";
        session.run(keep, &[&election, &mine, &node]).await?;
    }
    let left = "select (extract(epoch from expires_at - clock_timestamp()) * 1000)::bigint from leadership where election = $1";
    let left: i64 = session.one(left, &[&election]).await?.get(0);
    let body = json!({ "election": election, "epoch": mine, "holder": node, "lease_ms": left });
    Ok(done(200, "leads", body))
}

pub(super) async fn act(
    session: &mut Session,
    election: &str,
    node: &str,
    epoch: i64,
    what: &str,
    terms: Terms<'_>,
) -> Result<Answer, Trouble> {
    if terms.broken != Some(Broken::NoFencing) {
        fence(session, election, node, epoch).await?;
    }
    let keep = "insert into leader_actions (election, epoch, node, what) values ($1, $2, $3, $4) returning seq";
    let seq: i64 = session.one(keep, &[&election, &epoch, &node, &what]).await?.get(0);
    Ok(done(201, "acted", json!({ "election": election, "epoch": epoch, "seq": seq })))
}

/// Refuses who does not lead in this epoch; nobody else begins to lead until the transaction ends.
pub(crate) async fn fence(
    session: &mut Session,
    election: &str,
    node: &str,
    epoch: i64,
) -> Result<(), Trouble> {
    session.one("select fence($1, $2, $3)::text", &[&election, &epoch, &node]).await?;
    Ok(())
}

pub(super) async fn force(session: &mut Session, election: &str) -> Result<Answer, Trouble> {
    let vacate = "insert into leadership (election, epoch) values ($1, 1)
        on conflict (election) do update set epoch = leadership.epoch + 1, holder = null, expires_at = null
        returning epoch";
    let epoch: i64 = session.one(vacate, &[&election]).await?.get(0);
    let keep = "insert into epochs (election, epoch, how) values ($1, $2, 'forced')";
    session.run(keep, &[&election, &epoch]).await?;
    let body = json!({ "election": election, "epoch": epoch, "holder": null });
    Ok(done(200, "vacant", body))
}
