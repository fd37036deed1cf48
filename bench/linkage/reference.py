"""The reference of make eval: links historical_50k with Splink.

The model is Splink's own example for this set, improved as its guides advise:
names apart with term frequencies, Jaro-Winkler levels, sixteen blocking rules,
expectation maximisation in three sessions and no labels. It reads the columns
that Endcap reads, and writes a line id,id,probability per pair.

    python3 reference.py historical_50k.csv.gz > pairs.csv
"""

import logging
import sys
import warnings

import pandas as pd
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

COLUMNS = ["unique_id", "first_name", "surname", "dob", "postcode_fake", "birth_place", "gender", "occupation"]

BLOCKS = [
    block_on("surname"),
    block_on("first_name", "birth_place"),
    block_on("first_name", "occupation"),
    block_on("dob"),
    block_on("postcode_fake"),
    block_on("first_name", "surname"),
    block_on("surname", "birth_place"),
    block_on("first_name", "birth_place", "occupation"),
    block_on("surname", "occupation"),
    block_on("substr(first_name, 1, 3)", "substr(surname, 1, 4)"),
    block_on("substr(postcode_fake, 1, 4)", "first_name"),
    block_on("substr(postcode_fake, 1, 4)", "surname"),
    block_on("first_name", "substr(dob, 1, 4)"),
    block_on("surname", "substr(dob, 1, 4)"),
    block_on("birth_place", "substr(dob, 1, 4)", "occupation"),
    block_on("substr(postcode_fake, 1, 4)", "occupation"),
]

COMPARISONS = [
    cl.NameComparison("first_name").configure(term_frequency_adjustments=True),
    cl.NameComparison("surname").configure(term_frequency_adjustments=True),
    cl.DateOfBirthComparison(
        "dob", input_is_string=True, datetime_thresholds=[1, 1, 10], datetime_metrics=["month", "year", "year"]
    ),
    cl.PostcodeComparison("postcode_fake"),
    cl.JaroWinklerAtThresholds("birth_place", [0.92, 0.8]).configure(term_frequency_adjustments=True),
    cl.JaroWinklerAtThresholds("occupation", [0.92]).configure(term_frequency_adjustments=True),
    cl.ExactMatch("gender"),
]

# Rules that are right nearly always, to learn the share of true pairs from.
SURE = [
    "l.first_name = r.first_name and l.surname = r.surname and l.dob = r.dob",
    "substr(l.first_name, 1, 2) = substr(r.first_name, 1, 2) and l.surname = r.surname"
    " and substr(l.postcode_fake, 1, 2) = substr(r.postcode_fake, 1, 2)",
    "l.dob = r.dob and l.postcode_fake = r.postcode_fake",
]


def main(name: str) -> None:
    records = pd.read_csv(name, dtype=str, keep_default_na=False, na_values=[""], usecols=COLUMNS)
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=BLOCKS,
        comparisons=COMPARISONS,
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )
    linker = Linker(records, settings, db_api=DuckDBAPI())
    linker.training.estimate_probability_two_random_records_match(SURE, recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    for block in [block_on("first_name", "surname"), block_on("dob"), block_on("postcode_fake")]:
        linker.training.estimate_parameters_using_expectation_maximisation(block)
    pairs = linker.inference.predict(threshold_match_probability=0.01).as_pandas_dataframe()
    pairs[["unique_id_l", "unique_id_r", "match_probability"]].to_csv(sys.stdout, header=False, index=False)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    main(sys.argv[1])
