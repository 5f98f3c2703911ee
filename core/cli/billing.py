"""What is sold, and where it is paid."""

import typer

from core.cli.console import fail, new_group, open_runtime
from core.credits.payments.domain import format_money
from core.credits.payments.setup import set_up_billing
from core.shared.errors import AppError

billing = new_group("billing", "What is sold, and where it is paid.")


@billing.command("setup")
def billing_setup() -> None:
    """Make at Stripe what is missing there: prices, the Portal's configuration, the endpoint of the webhook."""
    try:
        found = set_up_billing(open_runtime())
    except AppError as error:
        raise fail(error.message) from None
    for price in found.prices:
        note = " (made now)" if price.key in found.made else ""
        typer.echo(f"{price.key}: {format_money(price.cents, price.currency)} before tax{note}")
    if found.webhook_secret:
        typer.echo(f"STRIPE_WEBHOOK_SECRET={found.webhook_secret}")
        typer.echo("Put this line into .env now: it is shown once.", err=True)
    elif found.endpoint:
        typer.echo(f"Messages go to {found.endpoint}.", err=True)
    else:
        typer.echo(
            "Stripe cannot reach this address: set APP_URL to a public https one, or use `stripe listen`.", err=True
        )
