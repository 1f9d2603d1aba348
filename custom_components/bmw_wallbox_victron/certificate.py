"""The certificate of the server: whether it is good, and for how long."""

from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .problem import Problem, Problems
from .wallbox.tls import CertificateError, CertificateStore, check_validity

#: So long before it expires a certificate is to be renewed.
_EXPIRES_SOON: Final = timedelta(days=14)


async def async_judge_certificate(
    hass: HomeAssistant, problems: Problems, certificates: CertificateStore
) -> None:
    """Report what is wrong with the certificate, or soon will be."""
    info, fault = certificates.info, certificates.fault
    now = dt_util.utcnow()
    if fault is None and info is not None:
        try:
            check_validity(info, now)
        except CertificateError as err:
            fault = err
    if fault is not None:
        # The same words as where its path is typed in.
        texts = await async_get_translations(
            hass, hass.config.language, "config", [DOMAIN]
        )
        reason = texts.get(f"component.{DOMAIN}.config.error.{fault.fault}")
        problems.withdraw(Problem.CERTIFICATE_EXPIRES)
        problems.report(
            Problem.CERTIFICATE_INVALID,
            error=str(fault),
            reason=reason or str(fault),
            path=certificates.key if fault.in_key else certificates.certificate,
        )
        return
    problems.resolve(Problem.CERTIFICATE_INVALID)
    if info is not None and info.not_after - now <= _EXPIRES_SOON:
        problems.report(
            Problem.CERTIFICATE_EXPIRES,
            days=(info.not_after - now).days,
            date=dt_util.as_local(info.not_after).date().isoformat(),
            path=certificates.certificate,
        )
    else:
        problems.resolve(Problem.CERTIFICATE_EXPIRES)
