//! Names of identities as labels of metrics. Each name is a time series, and subjects of JWTs are without number.

use std::collections::HashSet;
use std::sync::Arc;

use crate::lock::Lock;

/// Identities with a series of their own; those that come later share one.
const MOST: usize = 500;
/// Name of that series.
const OTHERS: &str = "other";

/// The identities that have a series. A cheap clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdentityNames(Arc<Lock<HashSet<String>>>);

impl IdentityNames {
    /// Returns the label of an identity.
    pub(crate) fn label(&self, identity: &str) -> String {
        let mut names = self.0.lock();
        if names.contains(identity) {
            return identity.to_owned();
        }
        if names.len() >= MOST {
            return OTHERS.to_owned();
        }
        names.insert(identity.to_owned());
        identity.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_series_is_bounded() {
        let names = IdentityNames::default();
        let labels: HashSet<String> =
            (0..3 * MOST).map(|number| names.label(&format!("jwt:{number}"))).collect();
        assert_eq!(labels.len(), MOST + 1);
        assert_eq!((names.label("jwt:0"), names.label("jwt:new")), ("jwt:0".to_owned(), OTHERS.to_owned()));
    }
}
