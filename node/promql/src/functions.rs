//! The functions of PromQL: names and signatures.

use crate::ast::Type;

/// A function's signature.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Types of the arguments; the last one is repeated or optional when `variadic` is not 0.
    pub args: &'static [Type],
    /// 0: all arguments; n > 0: the last may be absent or come up to n times; -1: any number of times.
    pub variadic: i8,
    /// The type of the result.
    pub returns: Type,
    /// Whether it must be enabled.
    pub experimental: bool,
}

use Type::{Matrix as M, Scalar as S, String as T, Vector as V};

const fn f(name: &'static str, args: &'static [Type]) -> Function {
    Function { name, args, variadic: 0, returns: V, experimental: false }
}

const fn x(name: &'static str, args: &'static [Type]) -> Function {
    Function { name, args, variadic: 0, returns: V, experimental: true }
}

const fn v(name: &'static str, args: &'static [Type], variadic: i8) -> Function {
    Function { name, args, variadic, returns: V, experimental: false }
}

const fn scalar(name: &'static str, args: &'static [Type], experimental: bool) -> Function {
    Function { name, args, variadic: 0, returns: S, experimental }
}

/// All functions, by name.
pub static FUNCTIONS: &[Function] = &[
    f("abs", &[V]),
    f("absent", &[V]),
    f("absent_over_time", &[M]),
    f("acos", &[V]),
    f("acosh", &[V]),
    f("asin", &[V]),
    f("asinh", &[V]),
    f("atan", &[V]),
    f("atanh", &[V]),
    f("avg_over_time", &[M]),
    f("ceil", &[V]),
    f("changes", &[M]),
    f("clamp", &[V, S, S]),
    f("clamp_max", &[V, S]),
    f("clamp_min", &[V, S]),
    f("cos", &[V]),
    f("cosh", &[V]),
    f("count_over_time", &[M]),
    v("day_of_month", &[V], 1),
    v("day_of_week", &[V], 1),
    v("day_of_year", &[V], 1),
    v("days_in_month", &[V], 1),
    f("deg", &[V]),
    f("delta", &[M]),
    f("deriv", &[M]),
    x("double_exponential_smoothing", &[M, S, S]),
    scalar("end", &[], true),
    f("exp", &[V]),
    f("first_over_time", &[M]),
    f("floor", &[V]),
    f("histogram_avg", &[V]),
    f("histogram_count", &[V]),
    f("histogram_fraction", &[S, S, V]),
    f("histogram_quantile", &[S, V]),
    Function {
        name: "histogram_quantiles",
        args: &[V, T, S, S],
        variadic: 9,
        returns: V,
        experimental: true,
    },
    f("histogram_stddev", &[V]),
    f("histogram_stdvar", &[V]),
    f("histogram_sum", &[V]),
    v("hour", &[V], 1),
    f("idelta", &[M]),
    f("increase", &[M]),
    Function { name: "info", args: &[V, V], variadic: 1, returns: V, experimental: true },
    f("irate", &[M]),
    v("label_join", &[V, T, T, T], -1),
    f("label_replace", &[V, T, T, T, T]),
    f("last_over_time", &[M]),
    f("ln", &[V]),
    f("log10", &[V]),
    f("log2", &[V]),
    x("mad_over_time", &[M]),
    scalar("max_of", &[S, S], true),
    f("max_over_time", &[M]),
    scalar("min_of", &[S, S], true),
    f("min_over_time", &[M]),
    v("minute", &[V], 1),
    v("month", &[V], 1),
    scalar("pi", &[], false),
    f("predict_linear", &[M, S]),
    f("present_over_time", &[M]),
    f("quantile_over_time", &[S, M]),
    f("rad", &[V]),
    scalar("range", &[], true),
    f("rate", &[M]),
    f("resets", &[M]),
    v("round", &[V, S], 1),
    scalar("scalar", &[V], false),
    f("sgn", &[V]),
    f("sin", &[V]),
    f("sinh", &[V]),
    f("sort", &[V]),
    Function { name: "sort_by_label", args: &[V, T], variadic: -1, returns: V, experimental: true },
    Function { name: "sort_by_label_desc", args: &[V, T], variadic: -1, returns: V, experimental: true },
    f("sort_desc", &[V]),
    f("sqrt", &[V]),
    scalar("start", &[], true),
    x("start_timestamp", &[V]),
    f("stddev_over_time", &[M]),
    f("stdvar_over_time", &[M]),
    scalar("step", &[], true),
    f("sum_over_time", &[M]),
    f("tan", &[V]),
    f("tanh", &[V]),
    scalar("time", &[], false),
    f("timestamp", &[V]),
    x("ts_of_first_over_time", &[M]),
    x("ts_of_last_over_time", &[M]),
    x("ts_of_max_over_time", &[M]),
    x("ts_of_min_over_time", &[M]),
    f("vector", &[S]),
    v("year", &[V], 1),
];

/// The function of that name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for f in FUNCTIONS {
            assert!(function(f.name).is_some_and(|g| g.name == f.name), "{} is out of order", f.name);
        }
        assert_eq!(FUNCTIONS.len(), 90);
        assert_eq!(function("nope"), None);
    }
}
