//! The functions of a plan, as types rather than names.

use serde::{Deserialize, Serialize};

macro_rules! functions {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum $name { $($variant,)* }

        impl $name {
            /// The function of that name in PromQL.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }

            /// The name in PromQL.
            #[allow(dead_code)]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

functions! {
    /// Functions of a range vector.
    RangeFn {
        Rate = "rate",
        Increase = "increase",
        Delta = "delta",
        Irate = "irate",
        Idelta = "idelta",
        Resets = "resets",
        Changes = "changes",
        Deriv = "deriv",
        PredictLinear = "predict_linear",
        Smoothing = "double_exponential_smoothing",
        Avg = "avg_over_time",
        Min = "min_over_time",
        Max = "max_over_time",
        Sum = "sum_over_time",
        Count = "count_over_time",
        Quantile = "quantile_over_time",
        Stddev = "stddev_over_time",
        Stdvar = "stdvar_over_time",
        Last = "last_over_time",
        First = "first_over_time",
        Present = "present_over_time",
        Absent = "absent_over_time",
        Mad = "mad_over_time",
        TsOfMin = "ts_of_min_over_time",
        TsOfMax = "ts_of_max_over_time",
        TsOfFirst = "ts_of_first_over_time",
        TsOfLast = "ts_of_last_over_time",
    }
}

functions! {
    /// Functions of each sample.
    MathFn {
        Abs = "abs",
        Acos = "acos",
        Acosh = "acosh",
        Asin = "asin",
        Asinh = "asinh",
        Atan = "atan",
        Atanh = "atanh",
        Ceil = "ceil",
        Clamp = "clamp",
        ClampMax = "clamp_max",
        ClampMin = "clamp_min",
        Cos = "cos",
        Cosh = "cosh",
        Deg = "deg",
        Exp = "exp",
        Floor = "floor",
        Ln = "ln",
        Log10 = "log10",
        Log2 = "log2",
        Rad = "rad",
        Round = "round",
        Sgn = "sgn",
        Sin = "sin",
        Sinh = "sinh",
        Sqrt = "sqrt",
        Tan = "tan",
        Tanh = "tanh",
    }
}

functions! {
    /// Parts of a date in UTC.
    DateFn {
        DayOfMonth = "day_of_month",
        DayOfWeek = "day_of_week",
        DayOfYear = "day_of_year",
        DaysInMonth = "days_in_month",
        Hour = "hour",
        Minute = "minute",
        Month = "month",
        Year = "year",
    }
}

functions! {
    /// Figures of a native histogram.
    HistogramStat {
        Avg = "histogram_avg",
        Count = "histogram_count",
        Stddev = "histogram_stddev",
        Stdvar = "histogram_stdvar",
        Sum = "histogram_sum",
    }
}
