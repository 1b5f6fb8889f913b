//! Notes to a user about a split that has too few images to choose from.

use super::listing::Listing;
use crate::dataset::first_few::first_few;
use crate::dataset::held_out::{CopiedClass, StandIn};
use crate::support::printable::in_one_line;

/// A message about classes whose images are copies of too few.
pub(super) fn copied(listing: &Listing, copied: &[CopiedClass]) -> Option<String> {
    if copied.is_empty() {
        return None;
    }
    let line = |copied: &CopiedClass| {
        let images = listing.labels.iter().filter(|&&label| usize::from(label) == copied.class).count();
        let folder = in_one_line(&listing.folders[copied.class].display().to_string()).into_owned();
        format!("{folder}, {images} images, {} different", copied.different)
    };
    Some(format!(
        "WARNING: copies of one image are both trained and tested on, because a class has too few different images:{}\n  \
         The accuracy of such a class says nothing about other images; add different ones.",
        first_few(copied.iter().map(line)),
    ))
}

/// A message about classes that the test share misses.
pub(super) fn stand_ins(listing: &Listing, stand_ins: &[StandIn], share: f64) -> Option<String> {
    if stand_ins.is_empty() {
        return None;
    }
    let line = |stand_in: &StandIn| {
        let file = in_one_line(&listing.files[stand_in.image].display().to_string()).into_owned();
        format!("{file}, of {} different images", stand_in.different)
    };
    let positions = stand_ins.iter().map(|stand_in| stand_in.position.share());
    let enough = (positions.fold(0.0, f64::max) * 100.0).floor() / 100.0 + 0.01;
    let advice =
        if enough < 0.5 { format!("--test-fraction {enough:.2}, or more images") } else { "More images".to_owned() };
    Some(format!(
        "NOTE: the test share {share} falls on no image of {}, by their content; the next one is tested on instead:{}\n  \
         {advice} would give each class a test image that no added image replaces.",
        if stand_ins.len() == 1 { "1 class".to_owned() } else { format!("{} classes", stand_ins.len()) },
        first_few(stand_ins.iter().map(line)),
    ))
}
