//! Names of classes: which two of them no reader could distinguish.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::first_few::in_a_row;
use crate::support::printable::{is_control, joins};

/// Two names that look the same on a screen: equal after canonical composition (NFC), without what shows nothing, and with
/// runs of spaces as one. Names that differ by case stay two: there are sets of letters.
#[must_use]
pub fn look_alikes(names: &[impl AsRef<str>]) -> Option<(usize, usize)> {
    let mut seen = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(appearance(name.as_ref()), index) {
            return Some((first, index));
        }
    }
    None
}

/// Whether two names look the same.
#[must_use]
pub fn look_alike(one: &str, other: &str) -> bool {
    appearance(one) == appearance(other)
}

/// Whether a name shows something at all.
#[must_use]
pub fn shows_something(name: &str) -> bool {
    !appearance(name).is_empty()
}

/// A name as a message shows it beside another that looks the same: what is not ASCII is spelled out.
#[must_use]
pub fn spelled_out(name: &str) -> String {
    let spelled: String = name.chars().flat_map(char::escape_default).collect();
    format!("\"{spelled}\"")
}

fn appearance(name: &str) -> String {
    let visible: String = name.nfc().filter(|&character| !is_invisible(character)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that show nothing: what is never printed as it is, and joiners and selectors, which have no shape of their own. White
/// space is left to [`appearance`], which makes one space of several.
fn is_invisible(character: char) -> bool {
    (is_control(character) || joins(character)) && !character.is_whitespace()
}

/// Some names of classes in a row, the others counted.
#[must_use]
pub fn listed(names: &[impl AsRef<str>]) -> String {
    in_a_row(names.iter().map(|name| name.as_ref().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_found_and_those_that_do_not_are_two() {
        let same = [
            ("M\u{f6}we", "Mo\u{308}we"),
            ("wren", "wren"),
            ("wren", "wren "),
            ("blue tit", "blue\u{a0}\u{2009} tit"),
            ("wren", "wr\u{200b}en"),
            ("wren", "\u{feff}wren\u{ad}"),
            ("\u{212b}", "\u{c5}"),
            ("ja\u{fe0f}", "ja"),
        ];
        for (one, other) in same {
            assert_eq!(look_alikes(&["owl", one, other]), Some((1, 2)), "{one:?} {other:?}");
        }
        let different = ["wren", "Wren", "wr en", "x2", "x²", "1", "\u{ff11}", "é", "e", "猫", "貓"];
        assert_eq!(look_alikes(&different), None);
        assert!(!shows_something(" \u{200b}\u{3164}") && shows_something("."));
        assert_eq!(spelled_out("Mo\u{308}we"), "\"Mo\\u{308}we\"");
    }
}
