//! How a section of the configuration is declared.

/// One key of a section, as the reference shows it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Name in the file.
    pub name: &'static str,
    /// The doc comment of the field: effect, unit, when to change it.
    pub manual: &'static str,
    /// Default as it would be written; `null` when there is none.
    pub default: serde_json::Value,
}

/// A part of the configuration that can describe itself.
pub trait Section {
    /// What the section is about.
    const ABOUT: &'static str;

    /// Its keys in the order of declaration.
    fn keys() -> Vec<Key>;
}

/// Declares a section: the struct as serde reads it, its `Default`, and its [`Section`] for the reference.
///
/// Without it the default of a key would stand in three places (field, `Default`, manual) and drift apart.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $section:ident {
            $( $(#[doc = $manual:literal])+ $key:ident: $type:ty = $default:expr, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $( $(#[doc = $manual])+ pub $key: $type, )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::config::Section for $section {
            const ABOUT: &'static str = concat!($($about, "\n"),+);

            fn keys() -> Vec<$crate::config::Key> {
                let default = Self::default();
                vec![$(
                    $crate::config::Key {
                        name: stringify!($key),
                        manual: concat!($($manual, "\n"),+),
                        default: serde_json::to_value(&default.$key).unwrap_or_default(),
                    },
                )+]
            }
        }
    };
}
