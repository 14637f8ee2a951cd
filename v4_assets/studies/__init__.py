"""How often a policy errs and what it would have done. No part of a morning."""
