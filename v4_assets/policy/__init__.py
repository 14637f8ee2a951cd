"""From evidence to a decision: criteria, gates, closed weeks, phases; and how often such a policy errs."""
