//! What `fit` and `eval` print about images that all became inputs, and yet show nothing: one flat color, few levels of 16 bits;
//! and about frames that cannot agree with the input.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use crate::dataset::first_few::first_few;
use crate::image::{Conversion, FlatCause, Mismatches, Observed, SixteenBit};
use crate::support::printable::in_one_line;

/// A warning for each reason why images came out as one flat color, and a note about 16-bit images; none where there are none.
///
/// A single image that is one color in its file is no mistake: a warning begins with two of the same color.
pub(super) fn warnings(files: &[&PathBuf], observed: &[Observed], conversion: &Conversion) -> Vec<String> {
    let mut of_color = HashMap::new();
    for flat in observed.iter().filter_map(|observed| observed.flat) {
        *of_color.entry(flat).or_insert(0) += 1;
    }
    let mut flat_files: BTreeMap<FlatCause, Vec<&PathBuf>> = BTreeMap::new();
    let mut sixteen_bit = SixteenBit::default();
    let mut mismatches = Mismatches::default();
    for (file, observed) in files.iter().zip(observed) {
        observed.sixteen_bit.into_iter().for_each(|range| sixteen_bit.add(range));
        observed.frame.into_iter().for_each(|frame| mismatches.add(conversion, frame));
        let Some(flat) = observed.flat else { continue };
        let is_mistake = match flat.cause {
            FlatCause::Background | FlatCause::Transparent | FlatCause::SixteenBit => true,
            FlatCause::Conversion | FlatCause::Image => of_color[&flat] > 1,
        };
        if is_mistake {
            flat_files.entry(flat.cause).or_default().push(file);
        }
    }
    let shape = conversion.shape();
    let flat = flat_files.into_iter().map(|(cause, flat)| {
        let (are, its) = if flat.len() == 1 { ("is", "its") } else { ("are", "their") };
        let names = first_few(flat.iter().map(|path| in_one_line(&path.display().to_string()).into_owned()));
        let why = cause.explain(conversion, its);
        format!("WARNING: {} of {} images {are} one flat color at {shape}; {why}:{names}", flat.len(), files.len())
    });
    flat.chain(sixteen_bit.note()).chain(mismatches.warnings(conversion)).collect()
}
