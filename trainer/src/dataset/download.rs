//! Fetches published files: each appears under its name when its SHA-256 is right, or not at all.
//!
//! Running it again fetches what is missing. The hash makes the plain HTTP of the publisher as good as any transport.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use super::DataError;
use crate::support::bounded_file;
use crate::support::memory;
use crate::support::text::{hexadecimal, thousands};

/// A file that is published somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote<'a> {
    /// Its name, there and here.
    pub name: &'a str,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: &'a str,
}

/// How slowly a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The time after which it is looked at again how much came.
    pub window: Duration,
    /// The least that has to come in that time, in bytes, as long as the body is not over.
    pub least: u64,
}

/// 5 KiB a second, over 20 seconds: a tenth of what the whole body's ten minutes need.
impl Default for Patience {
    fn default() -> Self {
        Self { window: Duration::from_secs(20), least: 100 << 10 }
    }
}

/// Bytes of a file at most: twice those of the largest there is.
const MOST_BYTES: u64 = 64 << 20;

/// Fetches those of `files` that are not in `directory` yet from below `url`.
///
/// # Errors
/// [`DataError::Download`], [`DataError::Hash`], [`DataError::Io`]. Files fetched before the error stay.
pub fn download(url: &str, files: &[Remote<'_>], directory: &Path, quiet: bool) -> Result<(), DataError> {
    download_with(Patience::default(), url, files, directory, quiet)
}

/// As [`download`], with a patience of one's own.
///
/// # Errors
/// As [`download`].
pub fn download_with(
    patience: Patience,
    url: &str,
    files: &[Remote<'_>],
    directory: &Path,
    quiet: bool,
) -> Result<(), DataError> {
    fs::create_dir_all(directory).map_err(|source| DataError::Io { path: directory.to_owned(), source })?;
    remove_abandoned(directory);
    // Names are resolved in a thread, and what resolves them panics where there is none.
    let thread = match memory::has_addresses_for_a_thread() {
        true => thread::Builder::new().spawn(|| {}).map(drop),
        false => Err(io::ErrorKind::OutOfMemory.into()),
    };
    let refused =
        |error| DataError::Download { url: url.to_owned(), reason: format!("no thread can be started: {error}") };
    thread.map_err(refused)?;
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_resolve(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(20)))
            .timeout_recv_body(Some(Duration::from_secs(600)))
            .build(),
    );
    for file in files {
        let path = directory.join(file.name);
        let is_whole = path.is_file() && sha256(&path)? == file.sha256;
        if !is_whole {
            let url = format!("{}/{}", url.trim_end_matches('/'), file.name);
            fetch(&agent, &url, file, &path, patience, quiet)?;
        }
    }
    Ok(())
}

/// SHA-256 of a file, hexadecimal.
///
/// # Errors
/// [`DataError::Io`].
pub fn sha256(path: &Path) -> Result<String, DataError> {
    let io_error = |source| DataError::Io { path: path.to_owned(), source };
    let mut file = bounded_file::open_regular(path).map_err(io_error)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(io_error)?;
        if read == 0 {
            return Ok(hexadecimal(hash));
        }
        hash.update(&buffer[..read]);
    }
}

/// How the names of files end that are being fetched.
const PART: &str = ".part";

/// Removes what was being fetched an hour ago: whoever did it was killed. That it cannot be removed costs space and no more.
fn remove_abandoned(directory: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > Duration::from_secs(3600))
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(PART) && is_old(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn fetch(
    agent: &ureq::Agent,
    url: &str,
    file: &Remote<'_>,
    path: &Path,
    patience: Patience,
    quiet: bool,
) -> Result<(), DataError> {
    let failed = |reason: String| DataError::Download { url: url.to_owned(), reason };
    let io_error = |source| DataError::Io { path: path.to_owned(), source };
    let response = agent.get(url).call().map_err(|error| failed(error.to_string()))?;
    let body = response.into_body();
    let length = body.content_length();
    let bar = if quiet { ProgressBar::hidden() } else { progress_bar(file.name, length) };
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut beside =
        tempfile::Builder::new().prefix(file.name).suffix(PART).tempfile_in(directory).map_err(io_error)?;
    if !quiet && bar.is_hidden() {
        // Without a terminal there are no bars, and a large file takes a while.
        let size = length.map_or_else(String::new, |length| format!(" ({length} bytes)"));
        let _ = writeln!(io::stderr(), "fetching {}{size}", file.name);
    }
    let parts = parts_of(body.into_reader()).map_err(|error| failed(format!("no thread can be started: {error}")))?;
    let mut hash = Sha256::new();
    let mut received = 0;
    let (mut window, mut before) = (Instant::now(), 0);
    loop {
        let left = patience.window.saturating_sub(window.elapsed());
        let part = match parts.recv_timeout(left) {
            Ok(part) => Some(part.map_err(|error| failed(format!("{error} after {received} bytes")))?),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(part) = part {
            if received + part.len() as u64 > MOST_BYTES {
                return Err(failed(format!("more than {} MB, which no published file has", MOST_BYTES >> 20)));
            }
            hash.update(&part);
            beside.write_all(&part).map_err(io_error)?;
            received += part.len() as u64;
            bar.inc(part.len() as u64);
        }
        if window.elapsed() >= patience.window && Some(received) != length {
            if received - before < patience.least {
                return Err(failed(format!(
                    "too slow: {} bytes in {:.0} s, at least {} are needed; try again, or set FASHION_MNIST_DIR to a directory \
                     with the files",
                    thousands((received - before) as usize),
                    patience.window.as_secs_f64(),
                    thousands(patience.least as usize)
                )));
            }
            (window, before) = (Instant::now(), received);
        }
    }
    bar.finish_and_clear();
    if let Some(length) = length.filter(|&length| length != received) {
        return Err(failed(format!("the connection was cut after {received} of {length} bytes; run it again")));
    }
    let found = hexadecimal(hash);
    if found != file.sha256 {
        return Err(DataError::Hash { url: url.to_owned(), found, expected: file.sha256.to_owned() });
    }
    beside.as_file().sync_all().map_err(io_error)?;
    beside.persist(path).map_err(|error| io_error(error.error))?;
    if !quiet {
        // Bars vanish, and without a terminal there are none.
        let _ = writeln!(io::stderr(), "fetched {} ({received} bytes)", file.name);
    }
    Ok(())
}

/// What a reader gives, part by part, read by a thread of its own: so that a read that takes long can be given up. The thread ends with
/// the body, with whoever receives, or with the time that the agent grants a body.
fn parts_of(mut reader: impl Read + Send + 'static) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = sync_channel(4);
    std::thread::Builder::new().name("download".to_owned()).spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let part = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => Ok(buffer[..read].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_over = part.is_err();
            if sender.send(part).is_err() || is_over {
                break;
            }
        }
    })?;
    Ok(receiver)
}

fn progress_bar(name: &str, length: Option<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:24}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = match length {
        Some(length) => ProgressBar::new(length).with_style(style),
        None => ProgressBar::new_spinner(),
    };
    bar.with_message(name.to_owned())
}
