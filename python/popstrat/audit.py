"""The audit log as a library: `append` a line, `verify` a log. What is behind it is `popstrat.privacy.audit_log`."""

from popstrat.privacy.audit_log import append as append
from popstrat.privacy.audit_log import verify as verify
