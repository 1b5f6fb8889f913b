//! The address of a study's storage: which database and driver it needs, and how it is shown without its password.

use std::fmt;

/// Why an address is refused. None of the messages has the address, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageUrlError {
    /// There is no `://` in it.
    #[error(
        "the storage is not a URL; it must be like postgresql://user@host/database, or sqlite:///search.db to try it out"
    )]
    NoUrl,
    /// Its database is none of those that are supported.
    #[error("storage {database}:// is not supported; postgresql:// is, and sqlite:/// to try it out")]
    Database {
        /// What is before `://`, and before a `+` there.
        database: String,
    },
    /// Its driver is none of those that are supported.
    #[error("the driver {driver} is not supported; leave +{driver} out to use psycopg")]
    Driver {
        /// What is between `+` and `://`.
        driver: String,
    },
}

/// The address of a study's storage, as SQLAlchemy takes it. [`Display`](fmt::Display) and [`Debug`] show it without passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageUrl {
    with_driver: String,
    shown: String,
    secrets: Vec<String>,
    driver: Option<&'static str>,
}

impl StorageUrl {
    /// Reads `postgresql://user[:password]@host[:port]/database` or `sqlite:///FILE`.
    ///
    /// # Errors
    /// Where it is no URL, or one of another database or driver.
    pub fn parse(url: &str) -> Result<Self, StorageUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(StorageUrlError::NoUrl)?;
        let (database, driver) = match scheme.split_once('+') {
            Some((database, driver)) => (database, Some(driver)),
            None => (scheme, None),
        };
        let (scheme, needed) = match (database, driver) {
            ("postgresql" | "postgres", None | Some("psycopg")) => ("postgresql+psycopg", Some("psycopg")),
            ("sqlite", None) => ("sqlite", None),
            ("postgresql" | "postgres" | "sqlite", Some(driver)) => {
                return Err(StorageUrlError::Driver { driver: driver.to_owned() });
            }
            _ if is_name(database) => return Err(StorageUrlError::Database { database: database.to_owned() }),
            _ => return Err(StorageUrlError::NoUrl),
        };
        let mut secrets = Vec::new();
        let shown = format!("{database}://{}", without_passwords(rest, &mut secrets));
        let decoded: Vec<String> = secrets.iter().map(|secret| percent_decoded(secret)).collect();
        secrets.extend(decoded);
        secrets.retain(|secret| !secret.is_empty());
        // The longest first: one that is within another one leaves none of that.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Ok(Self { with_driver: format!("{scheme}://{rest}"), shown, secrets, driver: needed })
    }

    /// With the driver named, and the password: for the program that connects, and for nothing that is shown.
    #[must_use]
    pub fn with_driver(&self) -> &str {
        &self.with_driver
    }

    /// The Python package that connects to the database, where Python itself does not.
    #[must_use]
    pub fn driver(&self) -> Option<&'static str> {
        self.driver
    }

    /// The passwords in the address, as written and as meant, the longest first: what no message may show.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageUrl({})", self.shown)
    }
}

/// Whether a text can be a database's name, and no part of a password where `://` is in that.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_alphanumeric())
}

/// What follows `://`, without the password before `@` and those of parameters such as `sslpassword`; these come to `secrets`.
fn without_passwords(rest: &str, secrets: &mut Vec<String>) -> String {
    // A password that holds an unescaped @ or / goes up to the last @: too much is hidden rather than too little.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let user = user.map_or(String::new(), |user| match user.split_once(':') {
        Some((name, password)) => {
            secrets.push(password.to_owned());
            format!("{name}:***@")
        }
        None => format!("{user}@"),
    });
    let Some((place, query)) = rest.split_once('?') else { return format!("{user}{rest}") };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.to_lowercase().contains("password") => {
            secrets.push(value.to_owned());
            format!("{name}=***")
        }
        _ => parameter.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(parameter).collect();
    format!("{user}{place}?{}", query.join("&"))
}

/// `%40` as `@`.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_passwords() {
        for (url, shown, secrets) in [
            ("postgresql://u@host/db", "postgresql://u@host/db", &[][..]),
            ("postgresql://u:s3cret@host:5432/db", "postgresql://u:***@host:5432/db", &["s3cret"][..]),
            ("postgres://u:s3cret@host/db", "postgres://u:***@host/db", &["s3cret"][..]),
            ("postgresql+psycopg://u:a%40b@host/db", "postgresql://u:***@host/db", &["a%40b", "a@b"][..]),
            ("postgresql://u:a@b/c:d@host/db", "postgresql://u:***@host/db", &["a@b/c:d"][..]),
            ("postgresql://u:@host/db", "postgresql://u:***@host/db", &[][..]),
            (
                "postgresql://host/db?user=u&password=s3cret&sslmode=require",
                "postgresql://host/db?user=u&password=***&sslmode=require",
                &["s3cret"][..],
            ),
            ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql", &[][..]),
            ("sqlite:///search.db", "sqlite:///search.db", &[][..]),
        ] {
            let parsed = StorageUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(parsed.secrets(), secrets, "{url}");
            let debug = format!("{parsed:?}");
            assert!(secrets.iter().all(|secret| !debug.contains(secret)), "{debug}");
        }
    }

    #[test]
    fn the_driver_is_named_for_sqlalchemy_and_for_the_one_who_installs_it() {
        for (url, with_driver, driver) in [
            ("postgresql://u:p@h/db", "postgresql+psycopg://u:p@h/db", Some("psycopg")),
            ("postgres://h/db", "postgresql+psycopg://h/db", Some("psycopg")),
            ("postgresql+psycopg://h/db", "postgresql+psycopg://h/db", Some("psycopg")),
            ("sqlite:////tmp/search.db", "sqlite:////tmp/search.db", None),
        ] {
            let parsed = StorageUrl::parse(url).unwrap();
            assert_eq!((parsed.with_driver(), parsed.driver()), (with_driver, driver));
        }
    }

    #[test]
    fn other_databases_are_refused_and_no_refusal_shows_a_password() {
        for (url, expected) in [
            ("search.db", "is not a URL"),
            ("u:s3cret@host/db", "is not a URL"),
            ("u:s3cret://x@host/db", "is not a URL"),
            ("mysql://u:s3cret@host/db", "storage mysql:// is not supported"),
            ("postgresql+pg8000://u:s3cret@host/db", "the driver pg8000 is not supported"),
            ("sqlite+pysqlite:///s3cret.db", "the driver pysqlite is not supported"),
        ] {
            let message = StorageUrl::parse(url).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("s3cret"), "{url}: {message}");
        }
    }
}
