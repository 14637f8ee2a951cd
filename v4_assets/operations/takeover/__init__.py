"""`v4 takeover`: the firm's objects move aside under dated names, ours take their names, and all of it can be undone.

BigQuery's DDL is not transactional, so a takeover is a list of steps, each one statement or harmless to repeat. Each
step looks at what stands and does what is missing: a takeover that was killed between any two is finished by running
it again. An object of the firm's is dropped only after its copy was read back equal.
"""
