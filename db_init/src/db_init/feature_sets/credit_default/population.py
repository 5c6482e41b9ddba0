"""The parameters of the sample, fitted to (or counted in) 36,457 clients of the public source."""

COLUMNS = (
    "loan_id", "id", "code_gender", "flag_own_car", "flag_own_realty", "cnt_children", "amt_income_total",
    "name_income_type", "name_education_type", "name_family_status", "name_housing_type", "flag_mobil", "flag_work_phone",
    "flag_phone", "flag_email", "occupation_type", "cnt_fam_members", "status", "birthday", "job_start_date", "loan_date",
    "loan_amount",
)  # fmt: skip

# Ids: shares of persons with 1 to 11 ids and with 12 or more (geometric from there), and the distance between ids.
IDS_PER_PERSON = (0.341, 0.165, 0.121, 0.090, 0.072, 0.055, 0.041, 0.033, 0.023, 0.017, 0.013, 0.0287)
MANY_IDS = 0.35
FIRST_ID = 5_008_804
NEXT_ID = 0.55

# Number of loans before the last one: a gamma distribution (shape, scale), rounded down, redrawn above the limit.
LOANS_GAMMA = (1.3913, 17.682)
MOST_PREVIOUS_LOANS = 60
KEEP_ZERO_LOANS = 0.58

# Amounts: 100 plus a generalised Pareto distribution.
AMOUNT_SHAPE, AMOUNT_SCALE = 0.1553, 25.01

# Density of ages, piecewise linear.
AGE_KNOTS = (20, 22, 24, 26, 28, 34, 42, 50, 55, 60, 64, 66, 68, 70)
AGE_HEIGHTS = (0.02, 2, 9, 15, 31, 29.5, 29, 23.5, 21.5, 21.5, 16, 9, 1.6, 0)

# Share of pensioners by age: a logistic function. The data has a date in the far future as the start of their job.
PENSIONER_BASE, PENSIONER_RISE, PENSIONER_AGE, PENSIONER_WIDTH = 0.0049, 0.8968, 56.34, 2.349
NO_JOB = "3021-09-18"

# Years on the job of the others: a Weibull distribution whose shape and scale depend on age.
TENURE_AGES = (22, 27, 32, 37, 42, 47, 52, 57, 64)
TENURE_SHAPES = (1.89, 1.68, 1.53, 1.44, 1.32, 1.25, 1.25, 1.15, 1.05)
TENURE_SCALES = (2.87, 4.73, 6.24, 7.74, 9.07, 9.5, 10.9, 11.3, 13.1)

# Default, in log-odds: highest for a medium number of earlier loans, lower with tenure, plus unobserved risk.
BASE_LOGIT = -4.10
EFFECT_LOANS_AT = (0, 1, 2, 4, 6.5, 10, 14, 18, 24, 32, 45, 60)
EFFECT_LOANS = (-1.40, -0.89, -0.49, 0.06, 0.28, 0.45, 0.26, -0.13, -0.17, 0, -0.22, 0)
EFFECT_TENURE_AT = (0, 2, 5, 9, 15, 25)
EFFECT_TENURE = (0.17, 0.04, -0.08, -0.08, -0.02, 0.10)
FRAILTY = 1.9

# Columns without signal: number of clients by value.
INCOME_TYPES = {"Working": 18_819, "Commercial associate": 8_490, "State servant": 2_985, "Student": 11}
EDUCATION = {
    "Secondary / secondary special": 24_777, "Higher education": 9_864, "Incomplete higher": 1_410, "Lower secondary": 374,
    "Academic degree": 32,
}  # fmt: skip
FAMILY = {"Married": 25_048, "Single / not married": 4_829, "Civil marriage": 2_945, "Separated": 2_103, "Widow": 1_532}
HOUSING = {
    "House / apartment": 32_548, "With parents": 1_776, "Municipal apartment": 1_128, "Rented apartment": 575,
    "Office apartment": 262, "Co-op apartment": 168,
}  # fmt: skip
OCCUPATIONS = {
    "Laborers": 6_211, "Core staff": 3_591, "Sales staff": 3_485, "Managers": 3_012, "Drivers": 2_138,
    "High skill tech staff": 1_383, "Accountants": 1_241, "Medicine staff": 1_207, "Cooking staff": 655, "Security staff": 592,
    "Cleaning staff": 551, "Private service staff": 344, "Low-skill Laborers": 175, "Waiters/barmen staff": 174,
    "Secretaries": 151, "HR staff": 85, "Realty agents": 79, "IT staff": 60,
}  # fmt: skip

# Invalid cells: column, text in place of the value, share of the lines.
DIRT = (
    ("loan_amount", "", 4e-4),
    ("flag_own_car", "", 3e-4),
    ("job_start_date", "", 2e-4),
    ("job_start_date", "not-a-date", 1e-4),
    ("birthday", "0000-00-00", 1e-4),
)
DUPLICATE_LINES = 3e-4
