//! Signs model files, and loads only signed ones.
//!
//! ```text
//! cargo run --release -p thimble-tests --example signed_model -- keys thimble     writes thimble.secret and thimble.public
//! cargo run --release -p thimble-tests --example signed_model -- sign thimble.secret model.bin signed.bin
//! cargo run --release -p thimble-tests --example signed_model -- load thimble.public signed.bin
//! ```

use std::error::Error;
use std::{env, fs};

use ed25519_compact::{KeyPair, PublicKey, SecretKey, Seed};
use infer_core::{Header, Network};
use rand::TryRng;
use rand::rngs::SysRng;
use thimble_tests::signed::{sign, verified};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["keys", name] => {
            let mut seed = [0; Seed::BYTES];
            SysRng.try_fill_bytes(&mut seed)?;
            let keys = KeyPair::from_seed(Seed::new(seed));
            fs::write(format!("{name}.secret"), &keys.sk[..])?;
            fs::write(format!("{name}.public"), &keys.pk[..])?;
        }
        ["sign", secret, model, signed] => {
            let model = fs::read(model)?;
            // What would not load is not signed.
            Network::new(&model, &mut vec![0; Header::parse(&model)?.arena_len as usize])?;
            let key = SecretKey::from_slice(&fs::read(secret)?).map_err(|_| format!("{secret} is no secret key"))?;
            fs::write(signed, sign(&model, &key))?;
        }
        ["load", public, signed] => {
            let flash = fs::read(signed)?;
            let key = PublicKey::from_slice(&fs::read(public)?).map_err(|_| format!("{public} is no public key"))?;
            let model = verified(&flash, &key).map_err(|refusal| format!("{signed} is not loaded: {refusal:?}"))?;
            let mut arena = vec![0; Header::parse(model)?.arena_len as usize];
            let network = Network::new(model, &mut arena)?;
            println!("{}, trained on {}", network.metadata().architecture, network.metadata().dataset);
        }
        _ => return Err("usage: signed_model keys NAME | sign SECRET MODEL SIGNED | load PUBLIC SIGNED".into()),
    }
    Ok(())
}
