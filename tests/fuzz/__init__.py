"""Everything that parses outside data is thrown damaged data at: `python -m tests.fuzz`.

A target says what good data are and how they are read. Data are damaged blindly and field by field;
what was answered in a new way is damaged further. A fault is any exception but the documented one,
a promise that does not hold, a hang, or memory that grows. What was found is kept in cases/ and is
read again by every run of the tests (tests/unit/test_fuzz_cases.py).
"""
