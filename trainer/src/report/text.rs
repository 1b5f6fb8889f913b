//! How wide words are, and words made to fit.
//!
//! Widths are those of the font that PNGs are drawn with, Inter. A browser takes its system's own font; [`shorten`] leaves
//! room for one that is a tenth wider, as DejaVu Sans is.

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// Inter Regular (SIL Open Font License 1.1, `trainer/assets/README.md`), cut down to Latin, Greek and Cyrillic.
pub const FONT: &[u8] = include_bytes!("../../assets/Inter-Regular.subset.otf");

/// The families that SVGs name.
pub const FAMILIES: &str = "Inter, system-ui, sans-serif";

/// Share of the room that a shortened text may take.
const ROOM: f64 = 0.9;

/// Width of `text` in letters of `size`.
#[must_use]
pub fn width(text: &str, size: f64) -> f64 {
    advances(text).sum::<f64>() * size
}

/// Width of each character in letters of size 1.
fn advances(text: &str) -> impl Iterator<Item = f64> {
    let font = FontRef::new(FONT).ok();
    let font = font.map(|font| (font.charmap(), font.glyph_metrics(Size::new(1.0), LocationRef::default())));
    // A character of another script: they are at most as wide as high.
    text.chars().map(move |character| {
        let advance = font.as_ref().and_then(|(glyphs, metrics)| metrics.advance_width(glyphs.map(character)?));
        advance.map_or(1.0, f64::from)
    })
}

/// Room in which the longest of `texts` keeps all its letters, as far as they are not wider than `most`.
#[must_use]
pub fn room<'t>(texts: impl IntoIterator<Item = &'t str>, size: f64, most: f64) -> f64 {
    texts.into_iter().map(|text| width(text, size)).fold(0.0, f64::max).min(most) / ROOM
}

/// `text`, or as much of it as fits into `room`, with an ellipsis.
#[must_use]
pub fn shorten(text: &str, size: f64, room: f64) -> String {
    // A hair more, so that what fits exactly does.
    let room = ROOM * room + 1e-6;
    if width(text, size) <= room {
        return text.to_owned();
    }
    const ELLIPSIS: char = '…';
    // The beginnings of the text grow until one is too wide together with the ellipsis; spaces at their ends do not count.
    let room = room / size - width("…", 1.0);
    let (mut end, mut kept, mut wide) = (0, 0, 0.0);
    for (character, advance) in text.chars().zip(advances(text)) {
        wide += advance;
        end += character.len_utf8();
        if !character.is_whitespace() {
            if wide > room {
                break;
            }
            kept = end;
        }
    }
    let mut shortened = text[..kept].to_owned();
    shortened.push(ELLIPSIS);
    shortened
}

/// A probability that never claims to be certain, of anything or of its opposite.
#[must_use]
pub fn percent(probability: f32) -> String {
    match probability {
        0.995.. => ">99%".to_owned(),
        ..=0.005 => "<1%".to_owned(),
        _ => format!("{:.0}%", 100.0 * probability),
    }
}

/// `text` as it may be in XML, attributes included; what XML has no way to hold becomes `U+FFFD`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_certain() {
        assert_eq!(
            [1.0, 0.9951, 0.9949, 0.5, 0.006, 0.005, 0.0].map(percent),
            [">99%", ">99%", "99%", "50%", "1%", "<1%", "<1%"]
        );
    }

    #[test]
    fn the_font_has_its_widths() {
        assert!(width("iiii", 10.0) < width("mmmm", 10.0));
        assert!((width("T-shirt/top", 20.0) - 2.0 * width("T-shirt/top", 10.0)).abs() < 1e-9);
        for text in ["Ankle boot", "Größe", "σκύλος", "собака", "→ 99%…"] {
            let em = width(text, 1.0) / text.chars().count() as f64;
            assert!((0.3..0.9).contains(&em), "{text}: {em}");
        }
        assert_eq!(width("猫", 12.0), 12.0);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_and_fit() {
        assert_eq!(shorten("Coat", 12.0, 60.0), "Coat");
        let shortened = shorten("a very long name of a class", 12.0, 60.0);
        assert!(shortened.starts_with("a ver") && shortened.ends_with('…'), "{shortened}");
        assert!(width(&shortened, 12.0) <= 60.0);
        assert_eq!(shorten("wide", 12.0, 0.0), "…");
        assert_eq!(shorten("two     words", 12.0, 45.0), "two…");
        let names = ["Ankle boot", "Bag", "Regenmantel mit Kapuze"];
        let room = room(names, 12.0, 80.0);
        assert_eq!(shorten("Ankle boot", 12.0, room), "Ankle boot");
        assert!(shorten(names[2], 12.0, room).starts_with("Regenmant"));
    }

    /// What [`shorten`] is to give, by dropping one character after the other.
    fn shorten_slowly(text: &str, size: f64, room: f64) -> String {
        let room = ROOM * room + 1e-6;
        if width(text, size) <= room {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        loop {
            kept.pop();
            let shortened = kept.iter().collect::<String>().trim_end().to_owned() + "…";
            if kept.is_empty() || width(&shortened, size) <= room {
                return shortened;
            }
        }
    }

    #[test]
    fn texts_are_shortened_in_one_pass_to_what_dropping_letters_one_by_one_comes_to() {
        for text in
            ["", " ", "Ankle boot", "a  b  c d e f g", "   indented name", "猫猫猫猫 собака", "iiiiiiiiiiiiiiii"]
        {
            for room in 0..120 {
                let room = f64::from(room);
                assert_eq!(shorten(text, 12.0, room), shorten_slowly(text, 12.0, room), "{text:?} in {room}");
            }
        }
        // A quadratic loop over as many does not come to an end.
        let long = "a long name ".repeat(200_000);
        assert!(shorten(&long, 12.0, 60.0).len() < 20);
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced_and_markup_is_inert() {
        assert_eq!(escape("a<b>&\"'\u{1}\n"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}\n");
    }
}
