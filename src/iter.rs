//! Iterators with a name: of what the public surface gives out people see the items alone, not how they are found.

/// Declares types that iterate over what an iterator of any kind gives.
macro_rules! iterators {
    ($($(#[$what:meta])* $name:ident: $item:ty;)*) => {$(
        $(#[$what])*
        pub struct $name<'a>(alloc::boxed::Box<dyn Iterator<Item = $item> + Send + Sync + 'a>);

        impl<'a> $name<'a> {
            pub(crate) fn new(items: impl Iterator<Item = $item> + Send + Sync + 'a) -> Self {
                $name(alloc::boxed::Box::new(items.fuse()))
            }
        }

        impl<'a> Iterator for $name<'a> {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                self.0.next()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }

            fn fold<B, F: FnMut(B, $item) -> B>(self, start: B, with: F) -> B {
                self.0.fold(start, with)
            }
        }

        impl core::iter::FusedIterator for $name<'_> {}

        impl core::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

pub(crate) use iterators;
