//! The word that every output has for a thing is also how it is displayed.

/// Displays types by what their method `word` says.
macro_rules! displayed_by_word {
    ($($name:ty),*) => {$(
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.word())
            }
        }
    )*};
}

pub(crate) use displayed_by_word;
