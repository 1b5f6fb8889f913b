//! The download against a server on the loopback interface that behaves, breaks off, lies or is missing files.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use sha2::{Digest, Sha256};
use trainer::dataset::DataError;
use trainer::dataset::download::{Patience, Remote, download_with};

/// What the server does with a file.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Whole,
    /// Closes the connection in the middle of the body.
    Cut,
    /// Sends other bytes of the same length.
    Changed,
    Missing,
    /// Sends bytes for as long as somebody reads them.
    Endless,
    /// Sends a byte now and then.
    Dripping,
    /// Sends ten bytes, and no more, and does not close the connection.
    Silent,
}

/// A server of files `a` and `b`; the second answers in the manner that is set.
struct Server {
    url: String,
    manner: Arc<Mutex<Manner>>,
    requests: Arc<Mutex<Vec<String>>>,
}

fn content(name: &str) -> Vec<u8> {
    (0..100_000u32).map(|index| (index % 241) as u8 ^ name.as_bytes()[0]).collect()
}

impl Server {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mirror/", listener.local_addr().unwrap());
        let manner = Arc::new(Mutex::new(manner));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Self { url, manner: Arc::clone(&manner), requests: Arc::clone(&requests) };
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(request)) = lines.next() else { continue };
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let name = path.rsplit('/').next().unwrap_or_default();
                let manner = if name == "b" { *manner.lock().unwrap() } else { Manner::Whole };
                let mut body = content(name);
                let length = body.len();
                match manner {
                    Manner::Whole | Manner::Missing | Manner::Endless | Manner::Dripping => {}
                    Manner::Silent => body.truncate(10),
                    Manner::Cut => body.truncate(length / 2),
                    Manner::Changed => body[length / 2] ^= 1,
                }
                let status = if manner == Manner::Missing { "404 Not Found" } else { "200 OK" };
                requests.lock().unwrap().push(path);
                let length =
                    if manner == Manner::Endless { String::new() } else { format!("Content-Length: {length}\r\n") };
                let head = format!("HTTP/1.1 {status}\r\n{length}Connection: close\r\n\r\n");
                if manner == Manner::Dripping {
                    let _ = stream.write_all(head.as_bytes());
                    for byte in &body {
                        if stream.write_all(&[*byte]).is_err() {
                            break;
                        }
                        thread::sleep(Duration::from_millis(20));
                    }
                    continue;
                }
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                if manner == Manner::Silent {
                    // Kept open until the client has gone.
                    let _ = stream.read(&mut [0]);
                    continue;
                }
                while manner == Manner::Endless && stream.write_all(&body).is_ok() {}
            }
        });
        server
    }

    fn fetch(&self, directory: &Path) -> Result<(), DataError> {
        self.fetch_with(Patience::default(), directory)
    }

    fn fetch_with(&self, patience: Patience, directory: &Path) -> Result<(), DataError> {
        let hashes = ["a", "b"]
            .map(|name| Sha256::digest(content(name)).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let files = [Remote { name: "a", sha256: &hashes[0] }, Remote { name: "b", sha256: &hashes[1] }];
        download_with(patience, &self.url, &files, directory, true)
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_are_fetched_once_and_whole() {
    let (server, home) = (Server::start(Manner::Whole), tempfile::tempdir().unwrap());
    let directory = home.path().join("new/cache");
    server.fetch(&directory).unwrap();
    assert_eq!(names(&directory), ["a", "b"]);
    assert_eq!(fs::read(directory.join("b")).unwrap(), content("b"));
    server.fetch(&directory).unwrap();
    assert_eq!(*server.requests.lock().unwrap(), ["/mirror/a", "/mirror/b"], "the second time nothing is requested");
}

#[test]
fn a_cut_connection_leaves_nothing_of_that_file_and_running_again_resumes_with_it() {
    let (server, directory) = (Server::start(Manner::Cut), tempfile::tempdir().unwrap());
    let message = server.fetch(directory.path()).unwrap_err().to_string();
    assert!(message.starts_with("cannot fetch http://127.0.0.1:") && message.contains("/mirror/b"), "{message}");
    assert_eq!(names(directory.path()), ["a"]);
    *server.manner.lock().unwrap() = Manner::Whole;
    server.fetch(directory.path()).unwrap();
    assert_eq!(*server.requests.lock().unwrap(), ["/mirror/a", "/mirror/b", "/mirror/b"]);
    assert_eq!(names(directory.path()), ["a", "b"]);
}

#[test]
fn another_content_is_refused_with_both_hashes_and_not_kept() {
    let (server, directory) = (Server::start(Manner::Changed), tempfile::tempdir().unwrap());
    let error = server.fetch(directory.path()).unwrap_err();
    let message = error.to_string();
    let DataError::Hash { found, expected, .. } = error else { panic!("{message}") };
    assert!(found != expected && message.contains(&found) && message.contains(&expected), "{message}");
    assert!(message.ends_with("nothing was kept"));
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn a_missing_file_is_named_with_the_servers_answer() {
    let (server, directory) = (Server::start(Manner::Missing), tempfile::tempdir().unwrap());
    let message = server.fetch(directory.path()).unwrap_err().to_string();
    assert!(message.contains("/mirror/b") && message.contains("404"), "{message}");
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn a_damaged_file_in_the_cache_is_fetched_again() {
    let (server, directory) = (Server::start(Manner::Whole), tempfile::tempdir().unwrap());
    fs::write(directory.path().join("a"), "half of it").unwrap();
    server.fetch(directory.path()).unwrap();
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), content("a"));
}

#[test]
fn a_body_without_end_is_left_and_not_kept() {
    let (server, directory) = (Server::start(Manner::Endless), tempfile::tempdir().unwrap());
    let message = server.fetch(directory.path()).unwrap_err().to_string();
    assert!(message.ends_with("/mirror/b: more than 64 MB, which no published file has"), "{message}");
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn a_body_that_drips_or_stops_is_left_with_what_came() {
    let home = tempfile::tempdir().unwrap();
    let patience = Patience { window: Duration::from_millis(300), least: 10_000 };
    for manner in [Manner::Dripping, Manner::Silent] {
        let server = Server::start(manner);
        let message = server.fetch_with(patience, home.path()).unwrap_err().to_string();
        assert!(
            message.contains("/mirror/b: too slow: ") && message.contains("at least 10,000 are needed"),
            "{message}"
        );
        assert!(message.contains("FASHION_MNIST_DIR"), "{message}");
        let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a"], "what came whole stays, and nothing of the other");
    }
    // What comes in time is never too slow, however little it is.
    let whole = Server::start(Manner::Whole);
    whole.fetch_with(Patience { window: Duration::from_secs(600), least: u64::MAX }, home.path()).unwrap();
}
