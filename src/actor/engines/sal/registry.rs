//! Functions and what is written about them, in one place, so that neither is without the other.

use std::any::{Any, TypeId};

use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString, Map, Module, RhaiNativeFunc};

use crate::actor::engines::rhai::functions::global;

/// Functions by family.
#[derive(Default)]
pub(super) struct Registry {
    module: Module,
    page: String,
    /// Types of scripts beside those of the language, with their names.
    types: Vec<(TypeId, &'static str)>,
    /// Functions whose description names another number of arguments than they take.
    pub(super) wrong: Vec<String>,
}

impl Registry {
    /// Begins a family of functions.
    pub(super) fn family(&mut self, title: &str, about: &str) {
        self.page.push_str(&format!("\n## {title}\n\n{about}\n\n| function | what it does |\n|---|---|\n"));
    }

    /// Adds a type that scripts can hold. Functions that name the type are added behind it.
    pub(super) fn add_type<T: Any + Clone + Send + Sync>(&mut self, name: &'static str) {
        self.module.set_custom_type::<T>(name);
        self.types.push((TypeId::of::<T>(), name));
    }

    /// Adds a function. `params` are the names of its arguments; the types are those that it really has.
    pub(super) fn add<A, const N: usize, const X: bool, R, const F: bool, FUNC>(
        &mut self,
        name: &str,
        params: &[&str],
        about: &str,
        function: FUNC,
    ) where
        A: 'static,
        R: Any + Clone + Send + Sync,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    {
        if params.len() != N {
            self.wrong.push(name.to_owned());
        }
        let types = FUNC::param_types();
        let arguments: Vec<String> = params
            .iter()
            .zip(types)
            .map(|(param, kind)| format!("{param}: {}", self.type_name(kind)))
            .collect();
        let result = match TypeId::of::<R>() {
            unit if unit == TypeId::of::<()>() => String::new(),
            other => format!(" -> {}", self.type_name(other)),
        };
        self.page.push_str(&format!("| `{name}({}){result}` | {about} |\n", arguments.join(", ")));
        global(name).set_into_module(&mut self.module, function);
    }

    /// The functions.
    pub(super) fn module(mut self) -> Module {
        self.module.build_index();
        self.module
    }

    /// The page about them.
    pub(super) fn reference(&self) -> String {
        format!("{}{}", include_str!("intro.md"), self.page)
    }

    fn type_name(&self, id: TypeId) -> &'static str {
        let of_language = [
            (TypeId::of::<ImmutableString>(), "string"),
            (TypeId::of::<String>(), "string"),
            (TypeId::of::<INT>(), "int"),
            (TypeId::of::<FLOAT>(), "float"),
            (TypeId::of::<bool>(), "bool"),
            (TypeId::of::<Array>(), "array"),
            (TypeId::of::<Map>(), "map"),
            (TypeId::of::<Dynamic>(), "any"),
        ];
        let mut known = of_language.iter().chain(&self.types);
        known.find(|(known, _)| *known == id).map_or("?", |(_, name)| *name)
    }
}
