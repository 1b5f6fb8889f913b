//! Any bytes as a payload: the header before them is made true, so that every check after the checksum is reached.

use infer_core::plan::Plan;
use infer_core::{Error, Header, Network};

use super::running;

/// Loads a payload after a header that is true, and after one that is not.
///
/// # Panics
/// Where infer-core does, or returns what is not so.
pub fn check(payload: &[u8]) {
    let plan = Plan::from_payload(payload);
    let header = header(payload, plan.as_ref().ok());
    let model = after(header, payload);
    let found = Network::new(&model, &mut []).expect_err("no network runs without an arena");
    match plan {
        Err(refusal) => assert_eq!(found, refusal),
        Ok(plan) => {
            assert_eq!(found, Error::ArenaTooSmall { needed: plan.arena_len(), given: 0 });
            for lie in [
                Header { arena_len: header.arena_len.wrapping_sub(1), ..header },
                Header { input_len: header.input_len.wrapping_add(1), ..header },
                Header { classes: header.classes + 1, ..header },
                Header { arena_with_image_len: header.arena_with_image_len ^ 1, ..header },
                Header { operators: header.operators ^ 1 << 20, ..header },
            ] {
                let refusal = Network::new(&after(lie, payload), &mut []).expect_err("the header lies");
                assert!(matches!(refusal, Error::HeaderClaim { .. }), "{refusal}");
            }
            running::check(&model);
        }
    }
}

/// The model file of a payload that loads.
///
/// # Panics
/// Where it does not.
pub fn model(payload: &[u8]) -> Vec<u8> {
    let plan = Plan::from_payload(payload).expect("all lengths fit each other");
    after(header(payload, Some(&plan)), payload)
}

/// The truth about a payload, or zeros where there is nothing to be true.
fn header(payload: &[u8], plan: Option<&Plan<'_>>) -> Header {
    plan.map_or(Header { payload_len: payload.len() as u32, ..Header::NEUTRAL }, |plan| Header::of(payload, plan))
}

fn after(header: Header, payload: &[u8]) -> Vec<u8> {
    [&header.with_checksum_of(payload).to_bytes()[..], payload].concat()
}
