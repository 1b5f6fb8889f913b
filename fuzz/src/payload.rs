//! Any bytes as a payload: the header in front of them is made true of them, so that every check behind the checksum is reached.

use infer_core::stage::Plan;
use infer_core::{Error, Header, Network};

use super::running;

/// Loads a payload behind a header that tells the truth about it, and behind one that does not.
///
/// # Panics
/// Where infer-core does, or says what is not so.
pub fn check(payload: &[u8]) {
    let plan = Plan::from_payload(payload);
    let (arena_len, input_len, classes) = match &plan {
        Ok(plan) => (plan.arena_len() as u32, plan.input.shape.len() as u32, u32::from(plan.classes)),
        Err(_) => (0, 0, 0),
    };
    let header = Header { payload_len: payload.len() as u32, arena_len, input_len, classes, crc32: 0 };
    let model = model(header, payload);
    let found = Network::new(&model, &mut []).expect_err("no network runs without an arena");
    match plan {
        Err(refusal) => assert_eq!(found, refusal),
        Ok(_) => {
            assert_eq!(found, Error::ArenaTooSmall { needed: arena_len as usize, given: 0 });
            for lie in [
                Header { arena_len: arena_len.wrapping_sub(1), ..header },
                Header { input_len: input_len.wrapping_add(1), ..header },
                Header { classes: classes + 1, ..header },
            ] {
                let refusal = Network::new(&self::model(lie, payload), &mut []).expect_err("the header lies");
                assert!(matches!(refusal, Error::HeaderClaim { .. }), "{refusal}");
            }
            running::check(&model);
        }
    }
}

fn model(header: Header, payload: &[u8]) -> Vec<u8> {
    [&header.with_checksum_of(payload).to_bytes()[..], payload].concat()
}
